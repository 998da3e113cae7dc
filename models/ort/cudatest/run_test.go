package cudatest

import (
	"path/filepath"
	"testing"
)

// TestCUDARun scores pictures with the real ONNX Runtime of both lines: every function
// that it calls has a body, nothing is left of its memory, and the rows do not depend on
// the size of the batches.
func TestCUDARun(t *testing.T) {
	lines(t, func(t *testing.T, line Line) {
		m := New(t, Config{Line: line})
		images, out := pictures(t, 20), filepath.Join(t.TempDir(), "out")
		m.run(t, images, out, "--batch", "8", "--chunk", "16").must(t)
		l := m.Log(t)
		for _, e := range l.Of("unexpected") {
			t.Errorf("%s has no body", e.Call)
		}
		if n := len(l.Of("plan")); n == 0 || n%94 != 0 {
			t.Errorf("%d plans, want 94 for each size of batch", n)
		}
		got := rows(t, m, out)
		again := filepath.Join(t.TempDir(), "out")
		m.run(t, images, again, "--batch", "4", "--chunk", "4").must(t)
		if other := rows(t, m, again); other != got {
			t.Errorf("rows of batches of 8:\n%s\nand of 4:\n%s", got, other)
		}
	})
}
