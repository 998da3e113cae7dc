package main

import (
	"regexp"
	"slices"
	"strconv"
	"testing"

	"github.com/batchscore/batchscore/deploy"
)

// TestEnginesKnowEveryExitCode checks that every exit code in the help that an engine
// reacts to is in exactly one of the lists for engines.
func TestEnginesKnowEveryExitCode(t *testing.T) {
	var documented []int
	for _, m := range regexp.MustCompile(`(?m)^  (\d+) `).FindAllStringSubmatch(exitCodesHelp, -1) {
		code, err := strconv.Atoi(m[1])
		if err != nil {
			t.Fatal(err)
		}
		documented = append(documented, code)
	}
	// Complete, any failure, and a person at a terminal: for engines nothing to tell.
	told := slices.Concat([]int{0, 1, 130}, deploy.FinalCodes, deploy.RetryCodes)
	slices.Sort(told)
	if !slices.Equal(documented, told) {
		t.Errorf("documented: %v; listed for engines, with 0, 1 and 130: %v", documented, told)
	}
}
