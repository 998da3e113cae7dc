package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/models/graph/graphtest"
)

// TestTheLastLineTellsOfFailures checks that the last line of run and launch says how
// many images failed, why, and how to see them.
func TestTheLastLineTellsOfFailures(t *testing.T) {
	in, _ := brokenLinks(t, 10)
	model := tiny(t, graphtest.Options{})
	for _, tt := range []struct {
		name  string
		start []string
	}{
		{name: "run", start: []string{"run"}},
		{name: "launch", start: []string{"launch", "-n", "2", "--"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.name == "launch" {
				needMpirun(t)
			}
			out := filepath.Join(t.TempDir(), "an out")
			args := append(tt.start, "--images", in, "--out", out, "--model", model, "--chunk", "4")
			// Half of 20 images is more than the default of --max-errors.
			r := must(t, 3, args...)
			if !strings.Contains(r.stderr, "10 of 20 (not_found 10)") {
				t.Errorf("got %v, want %q in stderr", r, "10 of 20 (not_found 10)")
			}
			must(t, 3, args...) // although there is nothing left to do
			r = must(t, 0, append(args, "--max-errors", "50%")...)
			command := "batchscore show '" + out + "' --status not_found"
			if want := "20 images: 10 ok, 10 failed (not_found 10); see: " + command; lastLine(r.stdout) != want {
				t.Errorf("the last line is not %q, but %v", want, r)
			}
			if !strings.Contains(r.stdout+r.stderr, `"failed":10,"statuses":{"not_found":10,"ok":10}`) {
				t.Errorf("the log does not tell: %v", r)
			}
			var success struct {
				Failed int    `json:"failed"`
				See    string `json:"see"`
			}
			body, err := os.ReadFile(filepath.Join(out, "_SUCCESS"))
			if err == nil {
				err = json.Unmarshal(body, &success)
			}
			if err != nil || success.Failed != 10 || success.See != command {
				t.Errorf("_SUCCESS says %+v, %v", success, err)
			}
			shown := must(t, 0, "show", out, "--status", "not_found", "--limit", "3")
			if !strings.Contains(shown.stdout, "... and 7 more, see --limit") || !strings.Contains(shown.stdout, "leads nowhere") ||
				strings.Contains(shown.stdout, "good.jpg") || lastLine(shown.stdout) != "10 of 20 images: 10 not_found" {
				t.Errorf("got %v, want 3 of 10 failures and their count", shown)
			}
			args = append(args, "--max-errors", "1")
			if r := must(t, 3, args...); !strings.Contains(r.stderr, "10 of 20 (not_found 10)") || !strings.Contains(r.stderr, command) {
				t.Errorf("got %v, want %q in stderr and %q in stderr", r, "10 of 20 (not_found 10)", command)
			}
		})
	}
}

func TestShowRefusesAnUnknownStatus(t *testing.T) {
	r := must(t, 64, "show", t.TempDir(), "--status", "missing")
	if !strings.Contains(r.stderr, `"missing"`) || !strings.Contains(r.stderr, "not_found") {
		t.Errorf("got %v, want %q in stderr and %q in stderr", r, `"missing"`, "not_found")
	}
}
