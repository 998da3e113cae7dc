package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/models/graph/graphtest"
)

// TestStaticAlone starts one of two ranks. It takes over nothing.
func TestStaticAlone(t *testing.T) {
	in, model := pictures(t, 40), tiny(t, graphtest.Options{})
	out := filepath.Join(t.TempDir(), "out")
	args := []string{"run", "--images", in, "--out", out, "--model", model, "--chunk", "8", "--batch", "4", "--static", "--lease", "1s"}
	r := finish(t, command(t, []string{"RANK=0", "WORLD_SIZE=2"}, args...))
	if r.code != 75 || !strings.Contains(r.stderr, "of 40 images have no row") ||
		!strings.Contains(r.stderr, "chunks of rank 1") || exists(filepath.Join(out, "_SUCCESS")) {
		t.Errorf("got %v, want exit code 75 and the other rank named", r)
	}
	if r := finish(t, command(t, []string{"RANK=1", "WORLD_SIZE=2"}, args...)); r.code != 0 {
		t.Errorf("the other rank: %v", r)
	}
	must(t, 0, "verify", out)
}

// TestStaticRanksOfOneJob starts both under mpirun. Neither exits with a code that would
// make mpirun end the other.
func TestStaticRanksOfOneJob(t *testing.T) {
	needMpirun(t)
	in, model := pictures(t, 40), slow(t)
	out := filepath.Join(t.TempDir(), "out")
	must(t, 0, "launch", "-n", "2", "--", "--images", in, "--out", out, "--model", model, "--chunk", "8", "--static")
	must(t, 0, "verify", out)
}
