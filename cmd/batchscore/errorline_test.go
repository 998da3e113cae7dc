package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/models/graph/graphtest"
)

// TestErrorIsALineOfTheLog: with --log-format json each line of standard error is an
// object, also the one that says why the command failed.
func TestErrorIsALineOfTheLog(t *testing.T) {
	t.Parallel()
	r := must(t, 78, "run", "--images", filepath.Join(t.TempDir(), "none"), "--out", t.TempDir(), "--model", tiny(t, graphtest.Options{}),
		"--log-format", "json", "--provider", "cpu")
	var last struct {
		Level, Time, Message string
		Code                 int `json:"exit_code"`
	}
	for line := range strings.Lines(r.stderr) {
		last.Level, last.Code = "", 0
		if err := json.Unmarshal([]byte(line), &last); err != nil {
			t.Errorf("%v: %s", err, line)
		}
	}
	if last.Level != "error" || last.Code != 78 || last.Time == "" || !strings.Contains(last.Message, "does not exist") {
		t.Errorf("the last line is %+v, want the error with its exit code", last)
	}
}
