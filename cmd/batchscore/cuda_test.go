package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/models/graph/graphtest"
	"github.com/batchscore/batchscore/models/ort/cudatest"
)

// These tests run over a stand-in for CUDA's libraries. They prove which device is
// asked, and what is said; they prove no score and no speed.

// scoring is the command that scores a few images on a simulated machine.
type scoring struct {
	m             *cudatest.Machine
	images, model string
	begun         string // the output of a job of which one image is scored
}

func newScoring(t *testing.T, c cudatest.Config) *scoring {
	t.Helper()
	s := &scoring{cudatest.New(t, c), pictures(t, 4), tiny(t, graphtest.Options{}), filepath.Join(t.TempDir(), "begun")}
	if r := s.on(t, nil, "cpu", s.begun, "--batch", "1", "--chunk", "1", "--budget-images", "1"); r.code != 75 {
		t.Fatalf("the beginning of a job: %s", r)
	}
	return s
}

// run continues the job with a provider and further arguments, in a new folder.
// A rank other than 0 would wait for one that begins it.
func (s *scoring) run(t *testing.T, env []string, provider string, args ...string) processResult {
	t.Helper()
	out := filepath.Join(t.TempDir(), "out")
	if err := os.CopyFS(out, os.DirFS(s.begun)); err != nil {
		t.Fatal(err)
	}
	s.m.Forget(t)
	return s.on(t, append(s.m.Vars(), env...), provider, out, args...)
}

func (s *scoring) on(t *testing.T, env []string, provider, out string, args ...string) processResult {
	t.Helper()
	return finish(t, command(t, env, append([]string{"run", "--images", s.images, "--out", out, "--model", s.model, "--provider", provider}, args...)...))
}

// used returns the UUIDs of the devices that the last run used.
func (s *scoring) used(t *testing.T) string {
	t.Helper()
	var all []string
	for _, e := range s.m.Log(t).Of("device") {
		all = append(all, e.UUID)
	}
	return strings.Join(all, " ")
}

// uuid is that of a GPU of the stand-in.
func uuid(n int) string { return fmt.Sprintf("GPU-00000000-0000-4000-8000-%012x", n) }

// TestCUDAChoosesDevice: every rank uses the GPU of its place on the machine, and only
// that.
func TestCUDAChoosesDevice(t *testing.T) {
	t.Parallel()
	local := func(rank, size int) []string {
		return []string{
			fmt.Sprint("OMPI_COMM_WORLD_RANK=", rank), fmt.Sprint("OMPI_COMM_WORLD_SIZE=", size),
			fmt.Sprint("OMPI_COMM_WORLD_LOCAL_RANK=", rank), fmt.Sprint("OMPI_COMM_WORLD_LOCAL_SIZE=", size),
		}
	}
	const (
		shares = "processes of this machine share a GPU"
		byHand = "the GPU is the rank modulo the number of GPUs"
	)
	for _, test := range []struct {
		name     string
		gpus     int
		env      []string
		args     string
		want     string
		says     string
		saysNot  string
		provider string
	}{
		{name: "alone", gpus: 1, want: uuid(0), saysNot: byHand},
		{name: "alone, with more GPUs", gpus: 2, want: uuid(0), saysNot: byHand},
		{name: "the second of 2", gpus: 2, env: local(1, 2), want: uuid(1), saysNot: shares},
		{name: "the last of 4", gpus: 4, env: local(3, 4), want: uuid(3), saysNot: shares},
		{name: "the last of 8", gpus: 8, env: local(7, 8), want: uuid(7), saysNot: shares},
		{name: "auto", gpus: 8, env: local(5, 8), want: uuid(5), provider: "auto", saysNot: shares},
		{name: "more ranks than GPUs", gpus: 2, env: local(2, 3), want: uuid(0), says: shares},
		{name: "numbered by hand", gpus: 4, args: "--rank 2 --world 4", want: uuid(2), says: byHand},
		{name: "numbered by hand, with one GPU", gpus: 1, args: "--rank 2 --world 4", want: uuid(0), saysNot: byHand},
		{name: "each sees its own", gpus: 4, env: append(local(2, 4), "CUDA_VISIBLE_DEVICES=2"), want: uuid(2), saysNot: shares},
		{name: "a list", gpus: 4, env: append(local(1, 2), "CUDA_VISIBLE_DEVICES=3,1"), want: uuid(1), saysNot: shares},
		{name: "a list of names", gpus: 4, env: append(local(1, 2), "CUDA_VISIBLE_DEVICES="+uuid(0)+","+uuid(3)), want: uuid(3), saysNot: shares},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := newScoring(t, cudatest.Config{Devices: make([]cudatest.Device, test.gpus)})
			if test.provider == "" {
				test.provider = "cuda"
			}
			r := s.run(t, test.env, test.provider, strings.Fields(test.args)...)
			if used := s.used(t); r.code != 0 || used != test.want {
				t.Errorf("exit code %d, used %q, want %q\n%s", r.code, used, test.want, r.stderr)
			}
			if !strings.Contains(r.stderr, test.says) || test.saysNot != "" && strings.Contains(r.stderr, test.saysNot) {
				t.Errorf("want %q and not %q in\n%s", test.says, test.saysNot, r.stderr)
			}
		})
	}
}

// TestCUDAOrder: GPUs of several kinds have the numbers that doctor shows, and not those
// of CUDA's own order, the fastest first.
func TestCUDAOrder(t *testing.T) {
	t.Parallel()
	s := newScoring(t, cudatest.Config{Devices: []cudatest.Device{{Name: "Tesla V100", Capability: "7.0"}, {}}})
	if r := s.run(t, nil, "cuda"); r.code != 0 || s.used(t) != uuid(0) {
		t.Errorf("used %q, want the first on the bus\n%s", s.used(t), r)
	}
	if r := s.run(t, []string{"CUDA_DEVICE_ORDER=FASTEST_FIRST"}, "cuda"); r.code != 0 || s.used(t) != uuid(1) {
		t.Errorf("used %q, want the fastest, as the user says\n%s", s.used(t), r)
	}
}

// TestCUDAParts: CUDA shows a process one MIG device, so each rank asks for its own.
func TestCUDAParts(t *testing.T) {
	t.Parallel()
	const a, b = "MIG-00000000-0000-4000-8000-00000000000a", "MIG-00000000-0000-4000-8000-00000000000b"
	s := newScoring(t, cudatest.Config{Devices: []cudatest.Device{{MIG: []cudatest.MIG{{UUID: a, MemoryMB: 4864}, {UUID: b, MemoryMB: 4864}}}}})
	for rank, want := range []string{a, b, a} {
		env := []string{"CUDA_VISIBLE_DEVICES=" + a + "," + b, fmt.Sprint("OMPI_COMM_WORLD_RANK=", rank), "OMPI_COMM_WORLD_SIZE=3",
			fmt.Sprint("OMPI_COMM_WORLD_LOCAL_RANK=", rank), "OMPI_COMM_WORLD_LOCAL_SIZE=3"}
		if r := s.run(t, env, "cuda"); r.code != 0 || s.used(t) != want || !strings.Contains(r.stderr, "one MIG device") {
			t.Errorf("rank %d used %q, want %q\n%s", rank, s.used(t), want, r)
		}
	}
	if r := s.run(t, []string{"CUDA_VISIBLE_DEVICES=" + b}, "cuda"); r.code != 0 || s.used(t) != b || strings.Contains(r.stderr, "one MIG device") {
		t.Errorf("used %q, want %q, the only one\n%s", s.used(t), b, r)
	}
}

// TestCUDAErrors: Fault33. Whatever CUDA reports is one line that says what to do.
func TestCUDAErrors(t *testing.T) {
	t.Parallel()
	const old = "a K80 is not supported"
	for _, test := range []struct {
		name    string
		config  cudatest.Config
		env     string
		driver  string // in /proc
		code    int
		want    string
		wantNot string
	}{
		{name: "old driver", config: cudatest.Config{Vars: []string{"CUDATEST_DRIVER=11040"}}, driver: "470.82.01", code: 78,
			want: "cuda:0: CUDA failure 35: CUDA driver version is insufficient for CUDA runtime version; CUDA 12 needs the NVIDIA driver 525.60 or " +
				"newer, and this is 470.82.01", wantNot: old},
		{name: "old driver for CUDA 13", config: cudatest.Config{Line: cudatest.CUDA13, Vars: []string{"CUDATEST_DRIVER=12080"}}, driver: "570.124.06", code: 78,
			want: "CUDA 13 needs the NVIDIA driver 580.65 or newer, and this is 570.124.06: update it, or use the build for CUDA 12"},
		{name: "no device", config: cudatest.Config{Vars: []string{"CUDATEST_FAIL=cudaGetDeviceCount=100"}}, code: 78,
			want: "CUDA failure 100: no CUDA-capable device is detected; the driver lists 1 GPU, but CUDA may use none", wantNot: old},
		{name: "busy", config: cudatest.Config{Vars: []string{"CUDATEST_FAIL=cudaSetDevice=46"}}, code: 78, want: "another process has this GPU for itself"},
		{name: "old GPU", config: cudatest.Config{Devices: []cudatest.Device{{Name: "Tesla K80", Capability: "3.7"}},
			Vars: []string{"CUDATEST_FAIL=cudaLaunchKernel=209"}}, code: 78,
			want: "serve GPUs of compute capability 6.0 and newer, and this one has 3.7; a K80 is not supported", wantNot: "unusable model"},
		{name: "old GPU with CUDA 13", config: cudatest.Config{Line: cudatest.CUDA13, Vars: []string{"CUDATEST_FAIL=cudaLaunchKernel=209"}}, code: 78,
			want: "builds for CUDA 13 serve GPUs of compute capability 7.5 and newer, and this one has 8.0", wantNot: old},
		{name: "no cuDNN", config: cudatest.Config{Line: cudatest.CUDA13, Without: []string{"libcudnn.so.9"}}, code: 78,
			want: "needs libcudnn.so.9, which cannot be loaded"},
		{name: "no CUDA", config: cudatest.Config{Without: []string{"libcudart.so.12", "libcublas.so.12"}}, code: 78,
			want: "needs libcublas.so.12, libcudart.so.12, which cannot be loaded"},
		{name: "cuDNN does not start", config: cudatest.Config{Vars: []string{"CUDATEST_FAIL=cudnnCreate=1001"}}, code: 78, want: "CUDNN failure 1001"},
		{name: "cuDNN has no kernel", config: cudatest.Config{Vars: []string{"CUDATEST_FAIL=cudnnBackendExecute=3000"}}, code: 78,
			want: `CUDNN_FE failure 11: CUDNN_BACKEND_API_FAILED (in the Conv node "conv"); cuDNN`, wantNot: "unusable model"},
		{name: "cuBLAS", config: cudatest.Config{Vars: []string{"CUDATEST_FAIL=cublasSgemm_v2=13"}}, code: 78, want: "cuBLAS has to be that of CUDA 12"},
		{name: "illegal address at the start", config: cudatest.Config{Vars: []string{"CUDATEST_FAIL=cudaLaunchKernel=700@3"}}, code: 78, want: "an Xid in dmesg"},
		{name: "not in the list", config: cudatest.Config{Devices: make([]cudatest.Device, 2)}, env: "CUDA_VISIBLE_DEVICES=5", code: 78,
			want: `CUDA_VISIBLE_DEVICES selects none of the 2 GPUs ("5": there are the GPUs 0 to 1)`},
		{name: "hidden", env: "CUDA_VISIBLE_DEVICES=", code: 78, want: "CUDA_VISIBLE_DEVICES selects none of the 1 GPUs"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := newScoring(t, test.config)
			if test.driver != "" {
				text := "NVRM version: NVIDIA UNIX x86_64 Kernel Module  " + test.driver + "  Thu Oct 19\n"
				if err := os.WriteFile(filepath.Join(s.m.Root, "proc/driver/nvidia/version"), []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			var env []string
			if test.env != "" {
				env = []string{test.env}
			}
			r := s.run(t, env, "cuda")
			if r.code != test.code || !strings.Contains(r.stderr, test.want) || test.wantNot != "" && strings.Contains(r.stderr, test.wantNot) {
				t.Errorf("exit code %d, want %d with %q and not %q:\n%s", r.code, test.code, test.want, test.wantNot, r.stderr)
			}
			if line := strings.TrimSpace(r.stderr); strings.Contains(line, "\n") || strings.Contains(line, "onnxruntime_src") || len(line) > 700 {
				t.Errorf("not one line in plain words:\n%s", line)
			}

			// The same with auto: the CPU, and why.
			r = s.run(t, env, "auto")
			if warned := strings.Contains(r.stderr, `"level":"warn"`) && strings.Contains(r.stderr,
				"scoring on the CPU: there is a GPU, but it cannot be used"); r.code != 0 ||
				warned != (test.env == "") || !strings.Contains(r.stderr, `"device":"cpu`) {
				t.Errorf("auto: exit code %d, warned: %v\n%s", r.code, warned, r.stderr)
			}
		})
	}
}

// TestCUDABreaks: a GPU that breaks off in the middle of a run ends it with a message and
// without a crash. What was committed stays, and a rerun continues.
func TestCUDABreaks(t *testing.T) {
	t.Parallel()
	s := newScoring(t, cudatest.Config{})
	s.images = pictures(t, 80)
	out := filepath.Join(t.TempDir(), "out")
	args := []string{"--batch", "1", "--chunk", "1"}
	r := s.on(t, append(s.m.Vars(), "CUDATEST_FAIL=cudaMemcpyAsync=700@100"), "cuda", out, args...)
	if r.code != 1 || !strings.Contains(r.stderr,
		"batch of 1: CUDA failure 700: an illegal memory access was encountered") || strings.Contains(r.stderr, "goroutine") {
		t.Fatalf("exit code %d, want 1\n%s", r.code, r.stderr)
	}
	if r := s.on(t, s.m.Vars(), "cuda", out, args...); r.code != 0 || !strings.Contains(r.stdout, "80 images: 80 ok, 0 failed") {
		t.Errorf("the rerun: %s", r)
	}
}

// TestCUDADoctor: doctor --device tries every device. The stand-in computes nothing, so
// that its scores must be found to be wrong.
func TestCUDADoctor(t *testing.T) {
	t.Parallel()
	parts := []cudatest.MIG{{UUID: "MIG-00000000-0000-4000-8000-00000000000a", MemoryMB: 4864}, {UUID: "MIG-00000000-0000-4000-8000-00000000000b", MemoryMB: 9856}}
	for _, test := range []struct {
		name    string
		devices []cudatest.Device
		env     string
		fail    string
		used    []string // the devices that were tried, in order
		want    []string
	}{
		{name: "two", devices: make([]cudatest.Device, 2), used: []string{uuid(0), uuid(1)}, want: []string{
			"ok provider cuda libraries found; not tried, which --device does",
			"FAIL GPU 0 NVIDIA A100-SXM4-40GB, at 0000:10:00.0, compute capability 8.0, 40960 MiB, NUMA node 0, driver 570.124.06, CUDA 12.",
			"cuDNN 9.10.2: wrong scores: they differ from the CPU's by",
			"FAIL GPU 1 NVIDIA A100-SXM4-40GB, at 0000:11:00.0", "ok for GPUs", "convert --precision fp16"}},
		{name: "one of two", devices: make([]cudatest.Device, 2), env: "CUDA_VISIBLE_DEVICES=1", used: []string{uuid(1)},
			want: []string{"FAIL GPU 0 NVIDIA A100-SXM4-40GB, at 0000:11:00.0", "wrong scores"}},
		{name: "MIG", devices: []cudatest.Device{{MIG: parts}}, env: "CUDA_VISIBLE_DEVICES=" + parts[0].UUID + "," + parts[1].UUID,
			used: []string{parts[0].UUID, parts[1].UUID}, want: []string{"FAIL GPU 0", "FAIL GPU 1", "a MIG device", "wrong scores"}},
		{name: "too old", devices: []cudatest.Device{{Name: "Tesla K80", Capability: "3.7"}}, env: "CUDATEST_FAIL=cudaLaunchKernel=209", used: []string{uuid(0)},
			want: []string{"FAIL GPU 0 Tesla K80", "CUDA failure 209", "this one has 3.7; a K80 is not supported"}},
		{name: "none", env: "CUDA_VISIBLE_DEVICES=", want: []string{"FAIL a GPU CUDA_VISIBLE_DEVICES selects none of the 1 GPUs"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			m := cudatest.New(t, cudatest.Config{Devices: test.devices})
			r := finish(t, command(t, append(m.Vars(), test.env), "doctor", "--device"))
			text := strings.Join(strings.Fields(r.stdout), " ")
			if r.code != 78 || !strings.Contains(r.stderr, "cannot be used; see above") {
				t.Errorf("exit code %d, want 78: %s", r.code, r.stderr)
			}
			for _, want := range test.want {
				if !strings.Contains(text, want) {
					t.Errorf("doctor does not say %q:\n%s", want, r.stdout)
				}
			}
			s := scoring{m: m}
			if used := s.used(t); used != strings.Join(test.used, " ") {
				t.Errorf("tried %q, want %q", used, test.used)
			}
		})
	}
}

// TestCUDANearCores: a rank runs on the cores near its GPU, unless the flag or the
// launcher says otherwise, or it computes on the CPU after all.
func TestCUDANearCores(t *testing.T) {
	t.Parallel()
	if runtime.NumCPU() < 2 {
		t.Skip("this machine has one core")
	}
	s := newScoring(t, cudatest.Config{Devices: make([]cudatest.Device, 2)})
	for node, cores := range []string{"0", "1-1024"} {
		writeFile(t, filepath.Join(s.m.Root, fmt.Sprintf("sys/devices/system/node/node%d/cpulist", node)), []byte(cores+"\n"))
	}
	const near = "this rank runs on the cores near its GPU"
	for _, test := range []struct {
		args, env string
		want      string
		bound     bool
	}{
		{want: `"numa_node":0,"cores":1,`, bound: true},
		{args: "--rank 1 --world 2", want: `"numa_node":1,`, bound: true},
		{args: "--numa off"},
		{env: "CUDATEST_FAIL=cudaSetDevice=46", want: fmt.Sprintf(`"device":"cpu","lanes":%d,`, runtime.NumCPU()), bound: true},
	} {
		r := s.run(t, []string{test.env}, "auto", strings.Fields(test.args)...)
		if r.code != 0 || strings.Contains(r.stderr, near) != test.bound || !strings.Contains(r.stderr, test.want) {
			t.Errorf("%+v: %s", test, r)
		}
	}
}
