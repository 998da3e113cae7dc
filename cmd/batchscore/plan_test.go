package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/models/graph/graphtest"
)

// TestPlanIsThatOfTheRun plans for several devices, and compares the number of chunks with
// the parts that a run with the same flags writes.
func TestPlanIsThatOfTheRun(t *testing.T) {
	t.Parallel()
	in, model := pictures(t, 150), tiny(t, graphtest.Options{})
	for _, c := range []struct {
		args  []string
		chunk int
		why   string
	}{
		{args: []string{"--provider", "cpu"}, chunk: 16, why: "whole batches of 4, the default of a CPU"},
		{args: []string{"--provider", "simulate:rate=inf"}, chunk: 128, why: "whole batches of 32, the default of simulate:rate=inf"},
		{args: []string{"--provider", "simulate:rate=inf,batch=10"}, chunk: 20, why: "whole batches of 10, the default of simulate:rate=inf,batch=10"},
		{args: []string{"--provider", "simulate:rate=inf", "--batch", "25"}, chunk: 50, why: "whole batches of 25, as --batch says"},
		{args: []string{"--provider", "simulate:rate=inf", "--chunk", "70"}, chunk: 70, why: "--chunk"},
	} {
		t.Run(strings.Join(c.args, " "), func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "out")
			n := (150-1)/c.chunk + 1
			says(t, must(t, 0, append([]string{"plan", "--images", in, "--world", "2"}, c.args...)...),
				fmt.Sprintf("chunks of %d images: %s\n", c.chunk, c.why), fmt.Sprintf("150 images in %d chunks of %d on 2 ranks", n, c.chunk))
			must(t, 0, append([]string{"run", "--images", in, "--out", out, "--model", model}, c.args...)...)
			parts, err := filepath.Glob(filepath.Join(out, "part-*"))
			if err != nil || len(parts) != n {
				t.Errorf("%d parts, %v; want %d", len(parts), err, n)
			}
		})
	}
	// What GPUs take is not tried here, but is the same number.
	says(t, must(t, 0, "plan", "--images", in, "--provider", "cuda"), "whole batches of 32, the default of a GPU")
	says(t, must(t, 0, "plan", "--images", in), "which auto finds on this machine; plan for another device with --provider")
	if r := must(t, 64, "plan", "--images", in, "--provider", "gpu"); !strings.Contains(r.stderr, "--provider") {
		t.Errorf("got %v, want an error about --provider", r)
	}
}
