package cudatest

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestCUDAFaults lets calls of CUDA, cuDNN and cuBLAS fail, from the first or a later one
// on, while a model is loaded, tried, run and closed. The program ends with a documented
// code and one message that says what to do; it neither crashes nor hangs. What was
// committed stays, and the same command completes the job.
func TestCUDAFaults(t *testing.T) {
	const broken = "the GPU has broken off its work"
	lines(t, func(t *testing.T, line Line) {
		model, images := small(t), pictures(t, 64)
		want, n := reference(t, line, model, images), 0
		for _, c := range []struct {
			call  string
			code  int
			from  []int
			codes []int
			says  string
		}{
			{call: "cudaMalloc", code: 700, from: []int{1, 2, 9}, codes: []int{78}, says: broken},
			{call: "cudaHostAlloc", code: 700, from: []int{1}, codes: []int{78}, says: broken},
			{call: "cudaStreamCreateWithFlags", code: 700, from: []int{1, 2}, codes: []int{75, 78}, says: broken},
			{call: "cudaMemcpyAsync", code: 700, from: []int{1, 9, 12, 14, 18}, codes: []int{75, 78}, says: broken},
			{call: "cudaStreamSynchronize", code: 700, from: []int{1, 9, 20}, codes: []int{75, 78}, says: broken},
			{call: "cudaSetDevice", code: 700, from: []int{1, 9, 15}, codes: []int{75, 78}, says: broken},
			{call: "cudaGetLastError", code: 700, from: []int{1, 30}, codes: []int{75, 78}, says: broken},
			{call: "cudaLaunchKernel", code: 719, from: []int{1, 30}, codes: []int{75, 78}, says: broken},
			{call: "cudnnBackendFinalize", code: 4000, from: []int{1}, codes: []int{78}, says: "CUDNN"},
			{call: "cudnnBackendExecute", code: 5000, from: []int{1, 20}, codes: []int{75, 78}, says: "CUDNN"},
			{call: "cublasSgemm_v2", code: 13, from: []int{1, 5}, codes: []int{75, 78}, says: "CUBLAS failure 13"},
		} {
			for _, from := range c.from {
				if n++; (n%2 == 0) != (line == CUDA13) { // each fault on one of the lines
					continue
				}
				fault := fmt.Sprintf("%s=%d@%d", c.call, c.code, from)
				t.Run(fault, func(t *testing.T) {
					out := filepath.Join(t.TempDir(), "out")
					args := scoring(model, images, out, "--batch", "8", "--chunk", "8")
					faulty := New(t, Config{Line: line, Vars: []string{"CUDATEST_FAIL=" + fault}})
					p := faulty.start(t, nil, args...)
					stop := time.AfterFunc(time.Minute, func() { _ = p.Process.Kill() })
					r := p.wait(t)
					stop.Stop()
					if !slices.Contains(c.codes, r.code) {
						t.Fatalf("exit status %d, want one of %v: %s", r.code, c.codes, r.stderr)
					}
					if n := len(faulty.Log(t).Of("fault")); n == 0 {
						t.Fatal("no call has failed")
					}
					if message := r.errors(); r.code != 0 && (len(message) != 1 || !strings.Contains(message[0], c.says)) {
						t.Errorf("%q, want one message with %q", message, c.says)
					}
					before := parts(t, out)
					again := New(t, Config{Line: line})
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
	})
}

// TestCUDAFaultAtTheEnd: what frees the GPU's memory, streams and events fails. All rows
// are there then, and the run says so.
func TestCUDAFaultAtTheEnd(t *testing.T) {
	t.Parallel()
	model, images := small(t), pictures(t, 64)
	for _, fault := range []string{"cudaFreeHost=700", "cudaFreeHost=2", "cudaFreeHost=999", "cudaStreamDestroy=700"} {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			m := New(t, Config{Vars: []string{"CUDATEST_FAIL=" + fault}})
			r := m.batchscore(t, scoring(model, images, filepath.Join(t.TempDir(), "out"))...).must(t)
			if !strings.Contains(r.stdout, "64 images: 64 ok") {
				t.Errorf("no result: %s%s", r.stdout, r.stderr)
			}
		})
	}
}

// errors returns the lines of an error that ended a command.
func (r result) errors() (found []string) {
	for line := range strings.Lines(r.stderr) {
		if strings.Contains(line, `"exit_code":`) || strings.HasPrefix(line, "batchscore: ") {
			found = append(found, line)
		}
	}
	return found
}

// parts returns the content of the parts of a result by name.
func parts(t testing.TB, out string) map[string]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(out, "part-*"))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all[filepath.Base(file)] = string(data)
	}
	return all
}
