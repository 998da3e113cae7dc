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
	lines(t, func(t *testing.T, line Line) {
		model, images := small(t), pictures(t, 64)
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
				// A batch of 8 takes 100 ms, so the run 800 ms.
				m, out := New(t, Config{Line: line, Vars: []string{"CUDATEST_BATCH_US=400000"}}), filepath.Join(t.TempDir(), "out")
				p := m.start(t, nil, scoring(model, images, out, "--batch", "8", "--chunk", "8")...)
				part := func() bool {
					found, err := filepath.Glob(filepath.Join(out, "part-*"))
					return err == nil && len(found) > 0
				}
				for deadline := time.Now().Add(time.Minute); !part() && time.Now().Before(deadline); {
					time.Sleep(2 * time.Millisecond)
				}
				if err := p.Process.Signal(c.signal); err != nil {
					t.Fatal(err)
				}
				if r := p.wait(t); r.code != c.code {
					t.Fatalf("exit status %d, want %d: %s%s", r.code, c.code, r.stdout, r.stderr)
				}
				if exists(filepath.Join(out, "_SUCCESS")) {
					t.Fatal("the run was complete before it was stopped")
				}
				m.batchscore(t, scoring(model, images, out, "--batch", "8", "--chunk", "8")...).must(t)
				if got := rows(t, m, out); got != want {
					t.Errorf("rows after %s:\n%s\nwant\n%s", c.name, got, want)
				}
			})
		}
	})
}
