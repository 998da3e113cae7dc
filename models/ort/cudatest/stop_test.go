package cudatest

import (
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// TestCUDAStop: a run that is stopped on a GPU ends with the documented status, and a
// later run completes it with the rows of one that was not stopped.
func TestCUDAStop(t *testing.T) {
	t.Parallel()
	lines(t, func(t *testing.T, line Line) {
		model, images := small(t), pictures(t, 400)
		want := reference(t, line, model, images)
		for _, c := range []struct {
			name   string
			signal syscall.Signal
			code   int
		}{
			{name: "SIGTERM", signal: syscall.SIGTERM, code: 143},
			{name: "SIGKILL", signal: syscall.SIGKILL, code: 137},
		} {
			t.Run(c.name, func(t *testing.T) {
				m, out := New(t, Config{Line: line}), filepath.Join(t.TempDir(), "out")
				args := scoring(model, images, out, "--batch", "8", "--chunk", "8")
				// A batch takes 0.2 s, so the run 10 s at least.
				p := m.start(t, []string{"CUDATEST_BATCH_US=800000"}, args...)
				parts := func() int {
					found, err := filepath.Glob(filepath.Join(out, "part-*"))
					if err != nil {
						t.Fatal(err)
					}
					return len(found)
				}
				for deadline := time.Now().Add(2 * time.Minute); parts() == 0 && time.Now().Before(deadline); {
					time.Sleep(2 * time.Millisecond)
				}
				if err := p.Process.Signal(c.signal); err != nil {
					t.Fatal(err)
				}
				if r := p.wait(t); r.code != c.code {
					t.Fatalf("exit status %d, want %d: %s%s", r.code, c.code, r.stdout, r.stderr)
				}
				if n := parts(); n == 0 || n >= 50 || exists(filepath.Join(out, "_SUCCESS")) {
					t.Fatalf("stopped after %d of 50 chunks, want some and not all", n)
				}
				m.batchscore(t, args...).must(t)
				if got := rows(t, m, out); got != want {
					t.Errorf("rows after %s:\n%s\nwant\n%s", c.name, got, want)
				}
			})
		}
	})
}
