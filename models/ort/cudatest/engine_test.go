package cudatest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Of the small model: the size of an image as it takes it, and the number of convolutions,
// each of which has one plan for one number of images.
const (
	pixelBytes   = 3 * 32 * 32 * 4
	convolutions = 3
)

// TestCUDABatches scores chunks whose size is not a multiple of the batch: every call computes the
// whole batch, so that cuDNN makes each plan once.
func TestCUDABatches(t *testing.T) {
	t.Parallel()
	lines(t, func(t *testing.T, line Line) {
		m := New(t, Config{Line: line})
		images, out := pictures(t, 50), filepath.Join(t.TempDir(), "out")
		r := m.batchscore(t, scoring(small(t), images, out, "--batch", "8", "--chunk", "20")...).must(t)
		if !strings.Contains(r.stderr, "--chunk should be a multiple of --batch") {
			t.Errorf("no warning about the chunks: %s", r.stderr)
		}
		l := m.Log(t)
		plans := l.Of("plan")
		if len(plans) != convolutions {
			t.Errorf("%d plans, want %d", len(plans), convolutions)
		}
		for _, e := range plans {
			if e.X[0] != 8 || e.Type != "float32" || e.TensorCores {
				t.Errorf("a plan for %d images of %s, tensor cores %v; want 8, float32, none", e.X[0], e.Type, e.TensorCores)
				break
			}
		}
		started := false
		pixels, results, waits := 0, 0, 0
		for _, e := range l {
			started = started || e.Event == "plan"
			switch {
			case !started: // the model is being loaded
			case e.Event == "synchronize" && e.What == "device":
				t.Error("a call waits for everything that the device does")
			case e.Event == "synchronize":
				waits++
			case e.Event == "copy" && (!e.Pinned || !e.Async):
				t.Errorf("a copy %s of %d bytes: pinned %v, asynchronous %v", e.Kind, e.Bytes, e.Pinned, e.Async)
			case e.Event == "copy" && e.Kind == "d2h":
				results++
			case e.Event == "copy" && e.Kind == "h2d" && e.Bytes == 8*pixelBytes:
				pixels++
			}
		}
		// A batch waits for the copy of its pixels and for its scores. ONNX Runtime waits
		// for the default stream besides, in which nothing runs.
		if waits > 3*results {
			t.Errorf("%d synchronisations for %d batches, want at most 3 for each", waits, results)
		}
		// 50 images in chunks of 20 are 8 batches, before which the row check runs at
		// least 2. The copy of the probe precedes the first plan.
		if pixels < 10 || results != pixels+1 {
			t.Errorf("%d copies of pixels and %d of scores; want at least 10, and the scores of the probe besides", pixels, results)
		}
	})
}

// TestCUDALanes checks that the copy of one lane does not wait for what another computes:
// copies and kernels of each lane have streams of their own.
func TestCUDALanes(t *testing.T) {
	t.Parallel()
	m := New(t, Config{Vars: []string{"CUDATEST_BATCH_US=40000", "CUDATEST_H2D_GBS=8"}})
	images, out := pictures(t, 160), filepath.Join(t.TempDir(), "out")
	m.batchscore(t, scoring(small(t), images, out, "--batch", "16", "--chunk", "160")...).must(t)
	l := m.Log(t)
	for len(l) > 0 && l[0].Event != "plan" { // the model is being loaded
		l = l[1:]
	}
	streams := map[int]bool{}
	for _, e := range l.Of("copy").Where(func(e Event) bool { return e.Kind == "h2d" && e.Bytes == 16*pixelBytes }) {
		streams[e.Stream] = true
	}
	if len(streams) != 2 {
		t.Errorf("pixels are copied on %d streams, want one for each of 2 lanes", len(streams))
	}
	kernels := map[int]bool{}
	for _, e := range l.Of("launch") {
		if streams[e.Stream] {
			t.Fatalf("%s runs on the stream of copies %d", e.Name, e.Stream)
		}
		kernels[e.Stream] = true
	}
	if len(kernels) < 2 {
		t.Errorf("kernels run on %d streams, want one for each of 2 lanes", len(kernels))
	}
}

// pollWarning is what a run says if threads that wait for the GPU do not sleep.
const pollWarning = "threads that wait for the GPU poll"

// TestCUDAWaiting checks that threads which wait for the GPU sleep, which must be asked for
// before the GPU is used. The driver's library may be next to ONNX Runtime, or elsewhere,
// where nothing else keeps it loaded.
func TestCUDAWaiting(t *testing.T) {
	t.Parallel()
	lines(t, func(t *testing.T, line Line) {
		for _, elsewhere := range []bool{false, true} {
			c := Config{Line: line}
			var vars []string
			if elsewhere {
				c.Without = []string{driverLibrary}
			}
			m := New(t, c)
			if elsewhere {
				vars = []string{"LD_LIBRARY_PATH=" + m.apart(t, driverLibrary)}
			}
			r := m.start(t, vars, scoring(small(t), pictures(t, 4), filepath.Join(t.TempDir(), "out"))...).wait(t).must(t)
			l := m.Log(t)
			flags := l.Of("context_flags")
			if len(flags) != 1 || !flags[0].BlockingSync {
				t.Fatalf("flags %+v, want one that asks for it", flags)
			}
			if used := l.Of("allocate", "stream", "copy", "handle"); len(used) == 0 || used[0].Micros < flags[0].Micros {
				t.Errorf("device used %d times, before the flags were set", len(used))
			}
			if used := l.Of("device"); len(used) == 0 || !used[0].BlockingSync {
				t.Errorf("driver elsewhere %v: the flags are lost when the device is used: %+v", elsewhere, used)
			}
			if strings.Contains(r.stderr, pollWarning) {
				t.Errorf("driver elsewhere %v: %s", elsewhere, r.stderr)
			}
		}
	})
}

// TestCUDAPolling: a driver that does not let threads sleep costs a warning.
func TestCUDAPolling(t *testing.T) {
	t.Parallel()
	lines(t, func(t *testing.T, line Line) {
		m := New(t, Config{Line: line, Vars: []string{"CUDATEST_FAIL=cuDevicePrimaryCtxSetFlags_v2=1"}})
		r := m.batchscore(t, scoring(small(t), pictures(t, 4), filepath.Join(t.TempDir(), "out"))...).must(t)
		if n := strings.Count(r.stderr, pollWarning); n != 1 {
			t.Errorf("%d warnings, want 1: %s", n, r.stderr)
		}
	})
}

// apart returns a folder that holds one of the stand-in's libraries.
func (m *Machine) apart(t testing.TB, name string) string {
	t.Helper()
	built, err := filepath.EvalSymlinks(filepath.Join(m.Folder, core))
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	for _, file := range []string{name, core} {
		if err := os.Symlink(filepath.Join(filepath.Dir(built), file), filepath.Join(folder, file)); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

// TestCUDAArithmetic checks which plans may use tensor cores: all of a model in 16 bits, and
// those of a float32 model if --tf32 allows it.
func TestCUDAArithmetic(t *testing.T) {
	t.Parallel()
	lines(t, func(t *testing.T, line Line) {
		m := New(t, Config{Line: line})
		model := small(t)
		half := filepath.Join(t.TempDir(), "half.onnx")
		images := pictures(t, 2)
		m.batchscore(t, "models", "convert", "--precision", "fp16", "--check", images, "--accept-below", "0", model, "-o", half).must(t)
		for _, c := range []struct {
			name, model string
			flags       []string
			device      string
			kind        string
			cores       bool
		}{
			{name: "float32", model: model, device: "cuda:0", kind: "float32"},
			{name: "tf32", model: model, flags: []string{"--tf32"}, device: "cuda:0/tf32", kind: "float32", cores: true},
			{name: "float16", model: half, device: "cuda:0/fp16", kind: "float16", cores: true},
		} {
			t.Run(c.name, func(t *testing.T) {
				m.Forget(t)
				out := filepath.Join(t.TempDir(), "out")
				args := append([]string{"run", "--provider", "cuda", "--model", c.model, "--images", images, "--out", out, "--batch", "4"}, c.flags...)
				m.batchscore(t, args...).must(t)
				plans := m.Log(t).Of("plan")
				for _, e := range plans {
					if e.Type != c.kind || e.TensorCores != c.cores {
						t.Fatalf("a plan of %s, tensor cores %v; want %s, %v", e.Type, e.TensorCores, c.kind, c.cores)
					}
				}
				if len(plans) != convolutions {
					t.Errorf("%d plans, want %d", len(plans), convolutions)
				}
				record, err := os.ReadFile(filepath.Join(out, "_batchscore", "job.json"))
				if err != nil {
					t.Fatal(err)
				}
				if !strings.Contains(string(record), `"device": "`+c.device+`"`) && !strings.Contains(string(record), `"device":"`+c.device+`"`) {
					t.Errorf("the device is not %s: %s", c.device, record)
				}
				if c.name != "tf32" {
					return
				}
				r := m.batchscore(t, scoring(model, images, out, "--batch", "4")...)
				if r.code != 10 || !strings.Contains(r.stderr, "--tf32") {
					t.Errorf("a rank without --tf32: exit status %d, %s; want 10 and the flag", r.code, r.stderr)
				}
			})
		}
	})
}

// TestCUDAWithoutTF32: a GPU that has no TF32 computes in float32 although --tf32 asks for
// TF32. It says so once, and the name of the device does not claim it. A newer GPU can
// work on the same job.
func TestCUDAWithoutTF32(t *testing.T) {
	const warning = "--tf32 does nothing"
	model, images, out := small(t), pictures(t, 20), filepath.Join(t.TempDir(), "out")
	args := scoring(model, images, out, "--batch", "4", "--chunk", "4", "--tf32")
	m := New(t, Config{Devices: []Device{{Name: "Tesla T4", Capability: "7.5"}}})
	r := m.batchscore(t, append(args, "--max", "4")...).must(t)
	if n := strings.Count(r.stderr, warning); n != 1 || !strings.Contains(r.stderr, "Tesla T4") {
		t.Errorf("%d warnings: %s", n, r.stderr)
	}
	record, err := os.ReadFile(filepath.Join(out, "_batchscore", "job.json"))
	if err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(string(record), `": "`, `":"`)
	if !strings.Contains(text, `"device":"cuda:0"`) || !strings.Contains(text, `"precision":"tf32"`) {
		t.Errorf("the device is not cuda:0, or the precision not tf32: %s", record)
	}
	newer := New(t, Config{})
	r = newer.batchscore(t, append(args, "--max", "4")...).must(t)
	if strings.Contains(r.stderr, warning) {
		t.Errorf("a GPU with TF32: %s", r.stderr)
	}
}
