package cudatest

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// lastBatch returns the batch size with which a run ended, from its log, and whether
// batches of that size ran one at a time.
func (r result) lastBatch(t testing.TB, batch int) (size int, alone bool) {
	t.Helper()
	size = batch
	for line := range strings.Lines(r.stderr) {
		var e struct{ Batch, Now, Lanes int }
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		switch {
		case e.Now > 0 && e.Batch != size:
			t.Errorf("a batch of %d was halved while it was %d", e.Batch, size)
		case e.Now > 0:
			size, alone = e.Now, false
		case e.Batch == size && e.Lanes == 1:
			alone = true
		}
	}
	return size, alone
}

// TestCUDAMemory runs jobs on GPUs with little memory, in ONNX Runtime's own arena. A
// job ends well wherever a batch fits, with the rows that it would have on any GPU. Two
// sessions do not make its batches smaller, although they find the other one's memory
// taken.
func TestCUDAMemory(t *testing.T) {
	const batch = 32
	images := pictures(t, 2*batch+5)
	run := func(t *testing.T, mb, sessions int) (size int, rows string) {
		// A batch takes long enough for sessions to overlap.
		m := New(t, Config{Devices: []Device{{MemoryMB: mb}}, Vars: []string{"CUDATEST_BATCH_US=20000"}})
		folder := t.TempDir()
		file := filepath.Join(folder, "merged.jsonl")
		r := m.run(t, images, filepath.Join(folder, "out"), "--sessions", strconv.Itoa(sessions), "--batch", strconv.Itoa(batch),
			"--log-format", "json", "--merge", file)
		if r.code != 0 {
			t.Fatalf("exit code %d: %s", r.code, r.stderr)
		}
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		size, alone := r.lastBatch(t, batch)
		t.Logf("%d sessions: batches of %d, one at a time: %v", sessions, size, alone)
		return size, string(data)
	}
	size, want := run(t, 40000, 2)
	if size != batch {
		t.Fatalf("with enough memory it ended with batches of %d", size)
	}
	for _, mb := range []int{100, 120, 160, 200, 250, 300, 350, 400, 500, 1000} {
		t.Run(fmt.Sprintf("%d MB", mb), func(t *testing.T) {
			one, rows := run(t, mb, 1)
			two, more := run(t, mb, 2)
			if rows != want || more != want {
				t.Error("the rows differ from those with enough memory")
			}
			if one != two {
				t.Errorf("batches of %d with 1 session, and of %d with 2", one, two)
			}
			if mb == 100 && one > 1 || mb == 1000 && one < batch {
				t.Errorf("batches of %d", one)
			}
		})
	}
}

// TestCUDANothingFits has a GPU with too little memory for the model.
func TestCUDANothingFits(t *testing.T) {
	lines(t, func(t *testing.T, line Line) {
		m := New(t, Config{Line: line, Devices: []Device{{MemoryMB: 60}}})
		r := m.run(t, pictures(t, 3), filepath.Join(t.TempDir(), "out"))
		if r.code != 75 {
			t.Errorf("exit code %d, want 75: %s", r.code, r.stderr)
		}
		for _, want := range []string{"of the 0.1 GB of cuda:0 are free", "stop other programs", "--precision fp16"} {
			if !strings.Contains(r.stderr, want) {
				t.Errorf("the message does not say %q: %s", want, r.stderr)
			}
		}
	})
}

// TestCUDABenchInfer measures sessions and batch sizes, and no threads, which a GPU does
// not have.
func TestCUDABenchInfer(t *testing.T) {
	m := New(t, Config{})
	_, model := program(t)
	bench := func(more ...string) result {
		return m.batchscore(t, append([]string{"bench", "infer", model, "--rounds", "1", "--least", "1ms", "--batches", "2,4", "--format", "json"}, more...)...)
	}
	for _, r := range []result{bench("--provider", "cuda").must(t), bench("--threads", "2,3").must(t)} {
		if n := strings.Count(r.stdout, `"unit": "images/s"`); n != 4 || strings.Contains(r.stdout, "threads") {
			t.Errorf("%d rates, want 4 and no threads: %s", n, r.stdout)
		}
	}
	if r := bench("--provider", "cuda", "--threads", "2"); r.code != 64 {
		t.Errorf("with --threads: exit code %d: %s", r.code, r.stderr)
	}
}

// TestCUDAUnclearFault has a fault in mid-run of which cuDNN's front end does not say what
// it is. A smaller batch is tried once; as it fails in the same way, it is not memory.
func TestCUDAUnclearFault(t *testing.T) {
	m := New(t, Config{Vars: []string{"CUDATEST_FAIL=cudnnBackendExecute=5000@400"}})
	r := m.run(t, pictures(t, 40), filepath.Join(t.TempDir(), "out"), "--batch", "8")
	if halved := strings.Count(r.stderr, "batch halved"); r.code != 78 || halved != 1 || !strings.Contains(r.stderr, "CUDNN_BACKEND_API_FAILED") {
		t.Errorf("exit code %d, halved %d times, want 78, once, and cuDNN's error: %s", r.code, halved, r.stderr)
	}
}
