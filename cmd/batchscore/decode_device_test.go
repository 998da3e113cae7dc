package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	stdjpeg "image/jpeg"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/batchscore/batchscore/models/graph/graphtest"
	"github.com/batchscore/batchscore/models/preprocess/jpeg"
	"github.com/batchscore/batchscore/models/preprocess/jpeg/nvimgcodec/standin"
	"github.com/batchscore/batchscore/scorer/output"
)

// needDevice skips a test if nvImageCodec or libjpeg-turbo is missing, and fails it in CI
// on the kind of machine that nvImageCodec exists for.
func needDevice(t testing.TB) {
	t.Helper()
	_, _, err := jpeg.Device(jpeg.DeviceCPU)
	if _, missing := jpeg.Backend(); missing != nil {
		err = missing
	}
	switch {
	case err == nil:
	case runtime.GOOS == "linux" && runtime.GOARCH == "amd64":
		skipWithout(t, err.Error(), "make test-deps")
	default:
		t.Skip(err)
	}
}

// jpegs returns a folder of JPEGs of many kinds, damaged ones and a PNG among them.
func jpegs(t *testing.T) string {
	t.Helper()
	dir := pictures(t, 12)
	files, err := filepath.Glob("../../models/preprocess/testdata/*.jpg")
	if err != nil || len(files) < 20 {
		t.Fatal(len(files), err)
	}
	for _, file := range append(files, "../../models/preprocess/testdata/png-rgb.png") {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		writeFile(t, filepath.Join(dir, filepath.Base(file)), b)
		if strings.HasSuffix(file, ".jpg") {
			writeFile(t, filepath.Join(dir, "cut-"+filepath.Base(file)), b[:len(b)*2/3])
			writeFile(t, filepath.Join(dir, "hole-"+filepath.Base(file)), append(b[:len(b)*2/3:len(b)*2/3], b[len(b)-20:]...))
		}
	}
	return dir
}

// bothRanks runs two ranks of a job at the same time, which must end with 0.
func bothRanks(t *testing.T, env []string, args ...string) [2]processResult {
	t.Helper()
	var r [2]processResult
	var g sync.WaitGroup
	for rank := range r {
		cmd := command(t, env, append(slices.Clone(args), "--world", "2", "--rank", strconv.Itoa(rank))...)
		g.Go(func() { r[rank] = finish(t, cmd) })
	}
	g.Wait()
	for _, r := range r {
		if r.code != 0 {
			t.Fatalf("got %v, want exit code 0", r)
		}
	}
	return r
}

// TestDecodeDevice scores with nvImageCodec on the CPU: the rows of one rank and of two are
// the same, statuses and reasons are those of libjpeg-turbo, and the records name the
// decoder.
func TestDecodeDevice(t *testing.T) {
	t.Parallel()
	needDevice(t)
	in, model := jpegs(t), tiny(t, graphtest.Options{})
	run := func(device, ranks string, more ...string) string {
		out := filepath.Join(t.TempDir(), "out")
		args := append([]string{"run", "--images", in, "--out", out, "--model", model, "--chunk", "8", "--max-errors", "100%"}, more...)
		if device != "" {
			args = append(args, "--decode-device", device)
		}
		if ranks == "2" {
			bothRanks(t, nil, args...)
		} else {
			must(t, 0, args...)
		}
		return out
	}
	cpu, one, two := run("", "1"), run(jpeg.DeviceCPU, "1"), run(jpeg.DeviceCPU, "2")
	if merged(t, one) != merged(t, two) {
		t.Error("one rank and two have other rows")
	}
	ok := 0
	rows, want := rowsOf(t, one), rowsOf(t, cpu)
	if len(rows) != len(want) {
		t.Fatalf("%d rows, want %d", len(rows), len(want))
	}
	for i, r := range rows {
		if r.Path != want[i].Path || r.Status != want[i].Status || r.Error != want[i].Error {
			t.Errorf("%s: %s %q, want %s %q as with libjpeg-turbo", r.Path, r.Status, r.Error, want[i].Status, want[i].Error)
		}
		if r.Status == "ok" {
			ok++
		}
	}
	if ok < 30 || ok == len(rows) {
		t.Errorf("%d of %d images are ok: the collection tests too little", ok, len(rows))
	}
	const kind = "nvimgcodec 0.9.0 cpu"
	s := readSuccess(t, one)
	if s.JPEGDecoder != kind || !strings.HasPrefix(s.Versions["jpeg"], kind+" (") {
		t.Errorf("_SUCCESS: decoder %q, version %q; want %q and the library", s.JPEGDecoder, s.Versions["jpeg"], kind)
	}
	if was := readSuccess(t, cpu).JPEGDecoder; was != "libjpeg-turbo" {
		t.Errorf("without the flag the decoder is %q", was)
	}
}

// TestDecodeDeviceMixed: a job continues only with the decoder that it began with, and the
// error says which flag to give or to leave out. auto takes the job's.
func TestDecodeDeviceMixed(t *testing.T) {
	t.Parallel()
	needDevice(t)
	in, model := pictures(t, 12), tiny(t, graphtest.Options{})
	for _, c := range []struct{ first, other, says string }{
		{first: jpeg.DeviceCPU, other: "cpu", says: "give --decode-device nvimgcodec-cpu"},
		{first: "cpu", other: jpeg.DeviceCPU, says: "leave out --decode-device"},
		{first: "auto", other: jpeg.DeviceCPU, says: "the job has libjpeg-turbo, this command has nvimgcodec 0.9.0 cpu"},
	} {
		t.Run(c.first, func(t *testing.T) {
			t.Parallel()
			out := filepath.Join(t.TempDir(), "out")
			args := []string{"run", "--images", in, "--out", out, "--model", model, "--chunk", "4"}
			must(t, 75, append(args, "--budget-images", "4", "--decode-device", c.first)...)
			r := must(t, 10, append(args, "--decode-device", c.other)...)
			says(t, r, "JPEG decoder: the job has ", c.says)
			must(t, 0, append(args, "--decode-device", "auto")...)
			body, err := os.ReadFile(filepath.Join(out, "_batchscore", "job.json"))
			if err != nil {
				t.Fatal(err)
			}
			var job output.Job
			if err := json.Unmarshal(body, &job); err != nil {
				t.Fatal(err)
			}
			if begun := c.first == jpeg.DeviceCPU; begun != (job.JPEGDecoder == "nvimgcodec 0.9.0 cpu") {
				t.Errorf("begun with %s, the record has %q", c.first, job.JPEGDecoder)
			}
		})
	}
}

// TestDecodeDeviceRefused: what cannot be done is refused in one line, before anything is
// written.
func TestDecodeDeviceRefused(t *testing.T) {
	t.Parallel()
	in, model := pictures(t, 1), tiny(t, graphtest.Options{})
	for _, c := range []struct {
		name string
		env  []string
		args []string
		code int
		says []string
	}{
		{name: "no GPU", env: []string{"BATCHSCORE_GPU_ROOT=" + t.TempDir()}, args: []string{"--decode-device", "gpu"}, code: 78,
			says: []string{"--decode-device gpu: no NVIDIA GPU is visible", "fetch.sh nvimgcodec", "nvidia-nvimgcodec-cu12"}},
		{name: "no library", env: []string{"NVIMGCODEC_LIB=/nonexistent"}, args: []string{"--decode-device", jpeg.DeviceCPU}, code: 78,
			says: []string{"NVIMGCODEC_LIB", "fetch.sh nvimgcodec", "nvidia-nvimgcodec-cu12[nvjpeg]"}},
		{name: "another device", args: []string{"--decode-device", "cuda"}, code: 64, says: []string{"--decode-device: want cpu, gpu or auto"}},
		{name: "scaled", env: []string{"BATCHSCORE_GPU_ROOT=" + t.TempDir()}, args: []string{"--decode-device", "gpu", "--scaled-decode"}, code: 64,
			says: []string{"--scaled-decode exclude each other"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			out := filepath.Join(t.TempDir(), "out")
			r := finish(t, command(t, c.env, append([]string{"run", "--images", in, "--out", out, "--model", model, "--log-level", "error"}, c.args...)...))
			if r.code != c.code {
				t.Fatalf("got %v, want exit code %d", r, c.code)
			}
			says(t, r, c.says...)
			if c.code == 78 && len(forPeople(r.stderr)) > 1 {
				t.Errorf("%q is not one line", r.stderr)
			}
			if entries, err := os.ReadDir(out); err == nil && len(entries) > 0 {
				t.Errorf("%s was written to", out)
			}
		})
	}
}

// TestDecodeDeviceGPU scores with --decode-device gpu over a stand-in for nvImageCodec, which
// decodes nothing: each rank decodes on its GPU, the record names the libraries, and a GPU
// that fails ends the run with 75, one line, and no row for that image.
func TestDecodeDeviceGPU(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("the stand-in is for Linux")
	}
	needDevice(t)
	lib, log := standin.Build(t)
	// A driver is elsewhere than the library.
	env := append(lib, standin.Root(t, 2), "LD_LIBRARY_PATH="+filepath.Dir(log))
	in, out, model := pictures(t, 12), filepath.Join(t.TempDir(), "out"), tiny(t, graphtest.Options{})
	args := []string{"run", "--images", in, "--out", out, "--model", model, "--chunk", "4", "--decode-device", "gpu", "--provider", "cpu",
		"--log-format", "json"}
	const kind = "nvimgcodec 0.9.0 gpu, nvjpeg 12.4.0"
	for rank, r := range bothRanks(t, env, args...) {
		says(t, r, fmt.Sprintf(`"device":"gpu:%d"`, rank), "JPEG is decoded by nvImageCodec")
	}
	lines := standin.Lines(t, log)
	if got := strings.Join(lines, "\n"); !strings.Contains(got, "device 0, 1 back ends, kind 3") || !strings.Contains(got, "device 1, ") {
		t.Errorf("decoders were made as\n%s\nwant one rank on each GPU", got)
	}
	for _, line := range lines {
		if !strings.HasSuffix(line, "context flags 4") { // CU_CTX_SCHED_BLOCKING_SYNC
			t.Errorf("a decoder was made before threads that wait for the GPU sleep: %s", line)
		}
	}
	if s := readSuccess(t, out); s.JPEGDecoder != kind || s.Statuses["ok"] != 12 {
		t.Errorf("_SUCCESS: decoder %q, %v; want %q and 12 ok", s.JPEGDecoder, s.Statuses, kind)
	}
	bad := t.TempDir()
	var b bytes.Buffer
	if err := stdjpeg.Encode(&b, image.NewRGBA(image.Rect(0, 0, standin.FailsAlways, 8)), nil); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(bad, "a.jpg"), b.Bytes())
	out = filepath.Join(t.TempDir(), "out")
	r := finish(t, command(t, env, "run", "--images", bad, "--out", out, "--model", model, "--decode-device", "gpu", "--provider", "cpu", "--log-level", "error",
		"--log-format", "text"))
	if r.code != 75 {
		t.Fatalf("got %v, want exit code 75", r)
	}
	says(t, r, "a JPEG of 114x8 pixels, twice", "out of memory", "--decode-device cpu")
	if len(forPeople(r.stderr)) > 1 {
		t.Errorf("%q is not one line", r.stderr)
	}
	if _, err := os.Stat(filepath.Join(out, "_SUCCESS")); err == nil {
		t.Error("the job is complete")
	}
}

// TestDecodeDeviceStopped: a signal ends a run that decodes on a device as it ends any
// other, and the same command continues it.
func TestDecodeDeviceStopped(t *testing.T) {
	t.Parallel()
	needDevice(t)
	out := filepath.Join(t.TempDir(), "out")
	args := []string{"run", "--images", pictures(t, 80), "--out", out, "--model", slow(t), "--chunk", "2", "--batch", "1",
		"--decode-device", jpeg.DeviceCPU}
	cmd := command(t, nil, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the first part", func() bool { return exists(filepath.Join(out, "part-00000.jsonl")) })
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if r := wait(t, cmd, &stdout, &stderr); r.code != 143 {
		t.Fatalf("got %v, want exit code 143", r)
	}
	must(t, 0, args...)
	must(t, 0, "verify", out)
}

// TestDecodeDeviceInJobFile: a job file chooses the device for the ranks, here over the
// stand-in.
func TestDecodeDeviceInJobFile(t *testing.T) {
	t.Parallel()
	needDevice(t)
	needMpirun(t)
	lib, _ := standin.Build(t)
	env := append(append(newDesk(t).env, lib...), standin.Root(t, 2))
	out := filepath.Join(t.TempDir(), "out")
	job := jobFile(t, pictures(t, 12), out, tiny(t, graphtest.Options{}), "ranksPerNode: 2\nrun: {chunk: 4, provider: cpu, decode-device: gpu}\n")
	if r := finish(t, command(t, env, "launch", "--to", "local", "-f", job)); r.code != 0 {
		t.Fatalf("got %v, want exit code 0", r)
	}
	if s := readSuccess(t, out); s.JPEGDecoder != "nvimgcodec 0.9.0 gpu, nvjpeg 12.4.0" || s.Statuses["ok"] != 12 {
		t.Errorf("_SUCCESS: decoder %q, %v", s.JPEGDecoder, s.Statuses)
	}
}

// TestBenchDecodeDevice: bench decode has a row for the device.
func TestBenchDecodeDevice(t *testing.T) {
	t.Parallel()
	needDevice(t)
	r := must(t, 0, "bench", "decode", "--rounds", "1", "--count", "1", "--sizes", "0.02", "--decode-device", jpeg.DeviceCPU)
	says(t, r, "ours-nvimgcodec-cpu", "not how many the device decodes")
	says(t, must(t, 64, "bench", "decode", "--decode-device", "auto"), fmt.Sprintf("want %s or %s", decodeCPU, decodeGPU))
}
