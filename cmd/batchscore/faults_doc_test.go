package main

import (
	"os"
	"regexp"
	"testing"
)

// TestEveryPromiseIsTested holds docs/faults.md to its word that each of its
// rows has tests, which are found by their number.
func TestEveryPromiseIsTested(t *testing.T) {
	doc, err := os.ReadFile("../../docs/faults.md")
	if err != nil {
		t.Fatal(err)
	}
	tests := commandOutput(t, "git", "grep", "-hoE", `^func TestFault[0-9]+_\w+`, "--", "*_test.go")
	rows := regexp.MustCompile(`(?m)^\| (\d+) \|`).FindAllSubmatch(doc, -1)
	if len(rows) < 33 {
		t.Errorf("the document has %d rows, want 33 at least", len(rows))
	}
	for _, row := range rows {
		number := string(row[1])
		if len(number) == 1 {
			number = "0" + number
		}
		if !regexp.MustCompile(`func TestFault` + number + `_`).Match([]byte(tests)) {
			t.Errorf("row %s has no test named TestFault%s_", row[1], number)
		}
	}
}
