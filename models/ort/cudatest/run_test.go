package cudatest

import (
	"path/filepath"
	"testing"

	"github.com/batchscore/batchscore/models/graph/graphtest"
)

// TestCUDARun scores pictures with the real ONNX Runtime of both lines, on uint8 and on
// float32 images. Every function that it calls has a body, and the rows depend neither on
// the size of the batches nor on the line.
func TestCUDARun(t *testing.T) {
	images := pictures(t, 20)
	for name, input := range map[string]graphtest.Input{"uint8": graphtest.Image, "float32": graphtest.FloatImage} {
		t.Run(name, func(t *testing.T) {
			model := graphtest.Write(t, graphtest.Options{Input: input, Work: 2})
			want := ""
			lines(t, func(t *testing.T, line Line) {
				for _, batch := range []string{"8", "3"} {
					m, out := New(t, Config{Line: line}), filepath.Join(t.TempDir(), "out")
					m.batchscore(t, scoring(model, images, out, "--batch", batch, "--chunk", "8")...).must(t)
					for _, e := range m.Log(t).Of("unexpected") {
						t.Errorf("%s has no body", e.Call)
					}
					got := rows(t, m, out)
					if want == "" {
						want = got
					}
					if got != want {
						t.Errorf("rows of batches of %s:\n%s\nwant\n%s", batch, got, want)
					}
				}
			})
		})
	}
}

// TestCUDAInception runs a real network: what ONNX Runtime calls for it has a body.
func TestCUDAInception(t *testing.T) {
	lines(t, func(t *testing.T, line Line) {
		m, model := New(t, Config{Line: line}), filepath.Join(t.TempDir(), "inception.onnx")
		m.batchscore(t, "models", "build", "inception_v3", "--variant", "keras", "--weights", "random", "--classes", "5", "-o", model).must(t)
		m.batchscore(t, scoring(model, pictures(t, 4), filepath.Join(t.TempDir(), "out"), "--batch", "4")...).must(t)
		l := m.Log(t)
		for _, e := range l.Of("unexpected") {
			t.Errorf("%s has no body", e.Call)
		}
		if n := len(l.Of("plan")); n == 0 || n%94 != 0 {
			t.Errorf("%d plans, want 94 for each size of batch", n)
		}
	})
}

// TestCUDACopies: images go to the GPU from pinned memory and asynchronously, each batch in
// one copy, and scores come back into pinned memory.
func TestCUDACopies(t *testing.T) {
	lines(t, func(t *testing.T, line Line) {
		m := New(t, Config{Line: line})
		m.run(t, pictures(t, 16), filepath.Join(t.TempDir(), "out"), "--batch", "4", "--chunk", "8").must(t)
		const image = 3 * 32 * 32 * 4 // bytes
		l := m.Log(t).Of("copy")
		batches := l.Where(func(e Event) bool { return e.Kind == "h2d" && e.Bytes == 4*image })
		if len(batches) < 4 {
			t.Errorf("%d copies of 4 images, want at least 4", len(batches))
		}
		for _, e := range batches {
			if !e.Pinned || !e.Async || e.Stream == 0 {
				t.Errorf("images were copied as %+v", e)
			}
		}
		for _, e := range l.Where(func(e Event) bool { return e.Kind == "d2h" }) {
			if !e.Pinned || !e.Async || e.Stream == 0 {
				t.Errorf("scores were copied as %+v", e)
			}
		}
	})
}

// TestCUDATensorCores: float32 is never computed in TF32, on an A100, unless that is asked
// for.
func TestCUDATensorCores(t *testing.T) {
	lines(t, func(t *testing.T, line Line) {
		m := New(t, Config{Line: line})
		m.run(t, pictures(t, 4), filepath.Join(t.TempDir(), "out"), "--batch", "4").must(t)
		plans := m.Log(t).Of("plan")
		if len(plans) == 0 {
			t.Error("no plan was logged")
		}
		for _, e := range plans {
			if e.Type != "float32" || e.TensorCores {
				t.Errorf("plan %+v", e)
			}
		}
	})
}
