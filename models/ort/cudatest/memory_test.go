package cudatest

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
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

// TestFault32_CUDAMemory runs jobs on GPUs with little memory, in ONNX Runtime's own arena. A
// job ends well wherever one image fits, with the rows that it would have on any GPU, and
// with a message elsewhere. Two sessions do not make its batches smaller, although they
// find the other one's memory taken.
func TestFault32_CUDAMemory(t *testing.T) {
	t.Parallel()
	const (
		batch = 32
		least = 80  // MB; less does not hold the model
		some  = 100 // MB; one image fits
		all   = 1000
	)
	images := pictures(t, 2*batch+5)
	run := func(t *testing.T, line Line, mb, sessions, batch int) (r result, rows string) {
		// A batch takes long enough for sessions to overlap.
		m := New(t, Config{Line: line, Devices: []Device{{MemoryMB: mb}}, Vars: []string{"CUDATEST_BATCH_US=20000"}})
		folder := t.TempDir()
		out, file := filepath.Join(folder, "out"), filepath.Join(folder, "merged.jsonl")
		r = m.run(t, images, out, "--sessions", strconv.Itoa(sessions), "--batch", strconv.Itoa(batch), "--log-format", "json", "--merge", file)
		if r.code != 0 {
			if exists(out) {
				t.Errorf("%d MB, %d sessions: something was written", mb, sessions)
			}
			return r, ""
		}
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return r, string(data)
	}
	lines(t, func(t *testing.T, line Line) {
		r, want := run(t, line, 40000, 2, batch)
		if size, _ := r.must(t).lastBatch(t, batch); size != batch {
			t.Fatalf("with enough memory it ended with batches of %d", size)
		}
		for _, mb := range []int{60, least, 92, some, 130, 200, 300, 350, 500, all} {
			t.Run(fmt.Sprintf("%d MB", mb), func(t *testing.T) {
				t.Parallel()
				var sizes [2]int
				for i := range sizes {
					r, rows := run(t, line, mb, i+1, batch)
					switch {
					case r.code == 75 && mb < some:
						if r, _ := run(t, line, mb, 1, 1); r.code != 75 {
							t.Errorf("%d sessions: exit code 75, and one image fits: %s", i+1, r.stderr)
						}
						r.nothingFits(t)
					case r.code != 0 || mb <= least:
						t.Errorf("%d sessions: exit code %d: %s", i+1, r.code, r.stderr)
					case rows != want:
						t.Errorf("%d sessions: the rows differ from those with enough memory", i+1)
					default:
						var alone bool
						sizes[i], alone = r.lastBatch(t, batch)
						t.Logf("%d sessions: batches of %d, one at a time: %v", i+1, sizes[i], alone)
					}
				}
				if sizes[0] != sizes[1] {
					t.Errorf("batches of %d with 1 session, and of %d with 2", sizes[0], sizes[1])
				}
				if mb == some && sizes[0] != 1 || mb == all && sizes[0] != batch {
					t.Errorf("batches of %d", sizes[0])
				}
			})
		}
	})
}

// nothingFits fails the test if the last line of a run is not the message that no batch
// fits.
func (r result) nothingFits(t testing.TB) {
	t.Helper()
	var last struct {
		Code    int `json:"exit_code"`
		Message string
	}
	lines := strings.Split(strings.TrimSpace(r.stderr), "\n")
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &last); err != nil {
		t.Fatalf("%v: %s", err, r.stderr)
	}
	const want = `^no batch fits into the device's memory: \S+ on cuda:0(, batch of 1)?: device out of memory: .*; \d+ of the \d+ MB of cuda:0 are free ` +
		`once this process has given back what it can: stop other programs that use this GPU, or choose another one with CUDA_VISIBLE_DEVICES, ` +
		`or a model of 16 bits, made by 'batchscore models convert --precision fp16'$`
	if last.Code != 75 || !regexp.MustCompile(want).MatchString(last.Message) {
		t.Errorf("exit code %d, and the last line is\n%s\nwant\n%s", last.Code, last.Message, want)
	}
}

// TestCUDABenchInfer measures sessions and batch sizes, and no threads, which a GPU does
// not have.
func TestCUDABenchInfer(t *testing.T) {
	t.Parallel()
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
// it is. Smaller batches are tried; as even one image fails in the same way, it is not
// memory. After each failure the program waits for what the GPU still does.
func TestCUDAUnclearFault(t *testing.T) {
	t.Parallel()
	lines(t, func(t *testing.T, line Line) {
		m := New(t, Config{Line: line, Vars: []string{"CUDATEST_FAIL=cudnnBackendExecute=5000@20"}})
		r := m.batchscore(t, scoring(small(t), pictures(t, 64), filepath.Join(t.TempDir(), "out"), "--batch", "8", "--chunk", "8")...)
		if halved := strings.Count(r.stderr, "batch halved"); r.code != 75 || halved != 3 || !strings.Contains(r.stderr, "CUDNN_BACKEND_API_FAILED") {
			t.Errorf("exit code %d, halved %d times, want 75, 3 times, and cuDNN's error: %s", r.code, halved, r.stderr)
		}
		failed, waited := false, false
		for _, e := range m.Log(t) {
			failed = failed || e.Event == "fault"
			waited = waited || failed && e.Event == "synchronize" && e.What == "device"
		}
		if !failed || !waited {
			t.Errorf("failed %v, and waited for the GPU after it %v", failed, waited)
		}
	})
}
