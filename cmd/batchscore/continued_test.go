package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/models/graph/graphtest"
)

// TestContinued: a run that continues a job says so, and one with --merge names the file
// instead of the command that makes it.
func TestContinued(t *testing.T) {
	in, out, file := pictures(t, 20), filepath.Join(t.TempDir(), "out"), filepath.Join(t.TempDir(), "labels.csv")
	run := []string{"run", "--images", in, "--out", out, "--model", tiny(t, graphtest.Options{}), "--chunk", "4", "--log-format", "text"}
	if r := must(t, 75, append(run, "--budget-images", "4")...); strings.Contains(r.stderr, "continuing: ") {
		t.Errorf("got %v, want no word of continuing", r)
	}
	r := must(t, 0, append(run, "--merge", file)...)
	if !strings.Contains(r.stderr, "continuing: ") || !strings.Contains(r.stderr, " of 20 images are done") {
		t.Errorf("got %v, want it to say how many images are done", r)
	}
	if !strings.Contains(r.stdout, "All rows   "+file) || strings.Contains(r.stdout, "batchscore merge") {
		t.Errorf("got %v, want it to name %s and not the command that makes it", r, file)
	}
}
