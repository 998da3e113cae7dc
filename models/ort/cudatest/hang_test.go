package cudatest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestCUDAHang: a call of the GPU's libraries does not return, while a model is loaded or
// while images are scored. A signal and a deadline end the process all the same, with
// their code and a message that names the call; what was committed stays, and the same
// command completes the job.
func TestCUDAHang(t *testing.T) {
	t.Parallel()
	model, images := small(t), pictures(t, 400)
	want := reference(t, CUDA12, model, images)
	for _, c := range []struct {
		name   string
		hang   string
		signal syscall.Signal // 0 for a deadline
		code   int
		call   string
		parts  bool // some are committed before
	}{
		{name: "SIGTERM in a run", hang: "cudaStreamSynchronize=hang@40", signal: syscall.SIGTERM, code: 143, call: "ortc_run", parts: true},
		{name: "SIGINT in a run", hang: "cudaLaunchKernel=hang@100", signal: syscall.SIGINT, code: 130, call: "ortc_run", parts: true},
		{name: "deadline of a run", hang: "cudaStreamSynchronize=hang@40", code: 75, call: "ortc_run", parts: true},
		{name: "SIGTERM while loading", hang: "cudaMalloc=hang", signal: syscall.SIGTERM, code: 143, call: "AppendExecutionProviderCUDAV2"},
		{name: "deadline while loading", hang: "cudnnPlan=hang", code: 75, call: "ortc_run"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			m, out := New(t, Config{Vars: []string{"CUDATEST_FAIL=" + c.hang}}), filepath.Join(t.TempDir(), "out")
			args := scoring(model, images, out, "--batch", "8", "--chunk", "8", "--log-format", "json")
			more := []string{"--deadline", "1s"}
			if c.signal != 0 {
				more = nil
			}
			p := m.start(t, nil, append(args, more...)...)
			stop := time.AfterFunc(4*time.Minute, func() { _ = p.Process.Kill() })
			defer stop.Stop()
			for deadline := time.Now().Add(2 * time.Minute); !m.hasFailed(t); time.Sleep(10 * time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatal("no call hangs")
				}
			}
			time.Sleep(time.Second) // what may still be committed
			if c.signal != 0 {
				if err := p.Process.Signal(c.signal); err != nil {
					t.Fatal(err)
				}
			}
			r := p.wait(t)
			if r.code != c.code {
				t.Fatalf("exit status %d, want %d: %s", r.code, c.code, r.stderr)
			}
			if e := r.errors(); len(e) != 1 || !strings.Contains(e[0], c.call) || !strings.Contains(e[0], fmt.Sprintf(`"exit_code":%d`, c.code)) {
				t.Errorf("%q, want one message with %s and the exit code", e, c.call)
			}
			before := parts(t, out)
			if (len(before) > 0) != c.parts {
				t.Errorf("%d parts were committed", len(before))
			}
			again := New(t, Config{})
			again.batchscore(t, args...).must(t)
			after := parts(t, out)
			for name, part := range before {
				if after[name] != part {
					t.Errorf("%s has changed", name)
				}
			}
			if got := rows(t, again, out); got != want {
				t.Errorf("rows:\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// hasFailed reports whether a call has failed. The last line of the log may be incomplete.
func (m *Machine) hasFailed(t testing.TB) bool {
	t.Helper()
	data, err := os.ReadFile(m.log)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return strings.Contains(string(data), `"event":"fault"`)
}

// TestCUDATelemetryHangs: NVML does not start, and the run continues without it.
func TestCUDATelemetryHangs(t *testing.T) {
	t.Parallel()
	m, out := New(t, Config{Vars: []string{"CUDATEST_FAIL=nvmlInit=hang"}}), filepath.Join(t.TempDir(), "out")
	r := m.batchscore(t, scoring(small(t), pictures(t, 8), out, "--batch", "8", "--chunk", "8")...).must(t)
	if n := strings.Count(r.stderr, "has not started within"); n != 1 {
		t.Errorf("%d lines say that NVML has not started, want 1: %s", n, r.stderr)
	}
}

// TestCUDADoctorHangs: doctor --device says that a GPU hangs, and ends.
func TestCUDADoctorHangs(t *testing.T) {
	t.Parallel()
	m := New(t, Config{Vars: []string{"CUDATEST_FAIL=cudaLaunchKernel=hang"}})
	r := m.batchscore(t, "doctor", "--device", "--try-limit", "3s")
	if r.code != 78 || !strings.Contains(r.stdout, "it was not done within 3s") {
		t.Errorf("exit status %d: %s%s", r.code, r.stdout, r.stderr)
	}
}
