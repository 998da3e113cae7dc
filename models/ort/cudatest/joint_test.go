package cudatest

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/models/graph/graphtest"
)

// TestCUDASeveralAnswers scores pictures with several outputs of a model, and with two models, whose
// pixels are decoded once: the rows do not depend on the size of the batches, each model has sessions
// of its own on the GPU, and TF32 belongs to the job as with one model.
func TestCUDASeveralAnswers(t *testing.T) {
	t.Parallel()
	images := pictures(t, 12)
	kind, other := graphtest.Write(t, graphtest.Options{Seed: 1}), filepath.Join(t.TempDir(), "other.onnx")
	if err := os.WriteFile(other, graphtest.Tiny(graphtest.Options{Seed: 2, Classes: 4}), 0o600); err != nil {
		t.Fatal(err)
	}
	m := New(t, Config{Line: CUDA12})
	for _, c := range []struct {
		name  string
		flags []string
	}{
		{name: "outputs", flags: []string{"--model", graphtest.WriteSeveral(t, 0, 1), "--resize", "pillow-bilinear", "--fit", "stretch", "--bgr=false",
			"--output-name", "scores", "--output-name", "features:embed", "--activation", "probabilities"}},
		{name: "models", flags: []string{"--model", kind, "--model", other}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			run := func(out string, args ...string) result {
				all := []string{"run", "--provider", "cuda", "--images", images, "--out", filepath.Join(dir, out)}
				return m.batchscore(t, slices.Concat(all, c.flags, args)...)
			}
			run("whole", "--batch", "8").must(t)
			run("small", "--batch", "3").must(t)
			if rows(t, m, filepath.Join(dir, "whole")) != rows(t, m, filepath.Join(dir, "small")) {
				t.Error("batches of other sizes lead to other rows")
			}
			run("tf32", "--tf32").must(t)
			if r := run("tf32"); r.code != 10 || !strings.Contains(r.stderr, "tf32") {
				t.Errorf("a job with TF32 is continued without: %v", r)
			}
			if r := run("whole", "--tf32"); r.code != 10 {
				t.Errorf("a job without TF32 is continued with it: %v", r)
			}
			m.complete(t)
		})
	}
}
