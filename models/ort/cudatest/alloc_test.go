package cudatest

import (
	"path/filepath"
	"strings"
	"testing"
)

// TestCUDAAllocation lets the allocation of a GPU's memory fail. ONNX Runtime calls every
// such error want of memory. Only that which is one says so, and where nearly all memory
// is free it blames no other program.
func TestCUDAAllocation(t *testing.T) {
	t.Parallel()
	const (
		unavailable = "execution provider unavailable: cuda:0"
		free        = "42.9 of the 42.9 GB of cuda:0 are free"
	)
	lines(t, func(t *testing.T, line Line) {
		for _, c := range []struct {
			fault string
			code  int
			says  []string
			not   string
		}{
			{fault: "46@1", code: 78, says: []string{unavailable, "CUDA failure 46", "another process has this GPU for itself"}, not: "are free"},
			{fault: "46@3", code: 78, says: []string{unavailable, "CUDA failure 46"}, not: "are free"},
			{fault: "999@1", code: 78, says: []string{unavailable, "CUDA failure 999", "CUDA does not start"}, not: "are free"},
			{fault: "700@3", code: 78, says: []string{unavailable, "CUDA failure 700", "broken off"}, not: "are free"},
			{fault: "2@1", code: 75, says: []string{"no batch fits", free, "choose a GPU with more memory"}, not: "stop other programs"},
		} {
			t.Run(c.fault, func(t *testing.T) {
				t.Parallel()
				m := New(t, Config{Line: line, Vars: []string{"CUDATEST_FAIL=cudaMalloc=" + c.fault}})
				r := m.batchscore(t, scoring(small(t), pictures(t, 8), filepath.Join(t.TempDir(), "out"))...)
				if r.code != c.code || strings.Contains(r.stderr, c.not) {
					t.Errorf("exit code %d, want %d, without %q: %s", r.code, c.code, c.not, r.stderr)
				}
				for _, want := range c.says {
					if !strings.Contains(r.stderr, want) {
						t.Errorf("it does not say %q: %s", want, r.stderr)
					}
				}
			})
		}
	})
}
