package cudatest

import (
	"path/filepath"
	"testing"

	"github.com/batchscore/batchscore/models/graph/graphtest"
)

// complete fails the test if ONNX Runtime has called a function that only says so, or if
// a batch was changed while it was being copied, or used before.
func (m *Machine) complete(t testing.TB) {
	t.Helper()
	for _, e := range m.Log(t).Of("unexpected") {
		t.Errorf("%s has no body", e.Call)
	}
	for _, e := range m.Log(t).Of("overwritten") {
		t.Errorf("%d bytes were changed before they were copied", e.Bytes)
	}
	for _, e := range m.Log(t).Of("unordered") {
		t.Errorf("%d bytes were used before they were copied", e.Bytes)
	}
}

// TestCUDARun scores pictures with the real ONNX Runtime of both lines, on uint8 and on
// float32 images. Every function that it calls has a body, and the rows depend neither on
// the size of the batches nor on the line.
func TestCUDARun(t *testing.T) {
	t.Parallel()
	images := pictures(t, 20)
	for name, input := range map[string]graphtest.Input{"uint8": graphtest.Image, "float32": graphtest.FloatImage} {
		t.Run(name, func(t *testing.T) {
			model := graphtest.Write(t, graphtest.Options{Input: input, Work: 2})
			want := reference(t, CUDA12, model, images)
			lines(t, func(t *testing.T, line Line) {
				for _, batch := range []string{"8", "3"} {
					// Copying a batch takes tens of milliseconds, and nobody may come before its end.
					m, out := New(t, Config{Line: line, Vars: []string{"CUDATEST_H2D_GBS=0.001"}}), filepath.Join(t.TempDir(), "out")
					m.batchscore(t, scoring(model, images, out, "--batch", batch, "--chunk", "8")...).must(t)
					m.complete(t)
					if got := rows(t, m, out); got != want {
						t.Errorf("rows of batches of %s:\n%s\nwant\n%s", batch, got, want)
					}
				}
			})
		})
	}
}

// TestCUDAInception runs a real network: what ONNX Runtime calls for it has a body.
func TestCUDAInception(t *testing.T) {
	t.Parallel()
	lines(t, func(t *testing.T, line Line) {
		m := New(t, Config{Line: line})
		m.run(t, pictures(t, 4), filepath.Join(t.TempDir(), "out"), "--batch", "4").must(t)
		m.complete(t)
		if n := len(m.Log(t).Of("plan")); n != 94 {
			t.Errorf("%d plans, want 94", n)
		}
	})
}
