package cudatest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestFault33_CUDA ends runs with every error of CUDA, cuDNN and cuBLAS at the start. Each
// is one line that says what to do, and nothing is written. With auto the CPU scores, and
// a warning says why.
func TestFault33_CUDA(t *testing.T) {
	t.Parallel()
	const (
		fetches = `"make deps-gpu" in the source tree, or deploy/deps/fetch.sh gpu, fetches `
		missing = ", which cannot be loaded: " + fetches + "CUDA's libraries and cuDNN, or add their folders to LD_LIBRARY_PATH"
		needs   = "cuda: libonnxruntime_providers_cuda.so needs "
		cannot  = "; cuDNN 9.10.2 cannot compute this model on NVIDIA A100-SXM4-40GB (compute capability 8.0), or is not for CUDA N: " + fetches + "one that fits"
		probe   = "cuda:0, the probe batch failed: "
		image   = probe + `CUDA failure 209: no kernel image is available for execution on the device (in the Sub node "centred"); `
		serve12 = "ONNX Runtime's builds for CUDA 12 serve GPUs of compute capability 6.0 and newer, and this one has "
		serve13 = "ONNX Runtime's builds for CUDA 13 serve GPUs of compute capability 7.5 and newer except 10.x and 11.x, and this one has "
		old     = "; a K80 is not supported; a P100 or V100 needs ONNX Runtime 1.24 to 1.26 for CUDA 12 with cuDNN 9.10 or older"
		driver  = "cuda:0: CUDA failure 35: CUDA driver version is insufficient for CUDA runtime version; "
	)
	with := func(vars ...string) Config { return Config{Vars: vars} }
	for _, c := range []struct {
		name     string
		line     Line // the only one in which it happens; both by default
		config   Config
		noDriver bool    // the driver shows nothing in /proc, and there are no device nodes
		visible  *string // CUDA_VISIBLE_DEVICES
		want     string  // the first line, without its beginning, with N for the line
		noGPU    bool    // auto does not warn: there is no GPU for it
	}{
		{name: "no driver", noDriver: true, noGPU: true,
			want: "cuda: no NVIDIA GPU is visible (/proc/driver/nvidia/gpus and /dev/nvidia0 are missing: install the NVIDIA driver, " +
				"or start the container with its GPUs)"},
		{name: "no device for CUDA", config: with("CUDATEST_FAIL=cudaGetDeviceCount=100"),
			want: "cuda:0: CUDA failure 100: no CUDA-capable device is detected; the driver lists 1 GPU, but CUDA may use none: " +
				"start the container with its GPUs (docker run --gpus all), and see nvidia-smi"},
		{name: "driver too old for CUDA 12", line: CUDA12, config: Config{DriverCUDA: 11040, Driver: "470.82.01"},
			want: driver + "CUDA 12 needs the NVIDIA driver 525.60 or newer, and this is 470.82.01: update it"},
		{name: "driver too old for CUDA 13", line: CUDA13, config: Config{DriverCUDA: 12080, Driver: "570.124.06"},
			want: driver + "CUDA 13 needs the NVIDIA driver 580.65 or newer, and this is 570.124.06: update it, or use the build for CUDA 12 " +
				`("make deps-gpu CUDA=cuda12", or deploy/deps/fetch.sh gpu cuda12)`},
		{name: "no kernel image for a K80", line: CUDA12, config: Config{Devices: []Device{{Name: "Tesla K80", Capability: "3.7"}}},
			want: image + serve12 + "3.7" + old},
		{name: "no kernel image for a P100", line: CUDA13, config: Config{Devices: []Device{p100}}, want: image + serve13 + "6.0" + old},
		{name: "no kernel image for a B200", line: CUDA13, config: Config{Devices: []Device{{Name: "NVIDIA B200", Capability: "10.0"}},
			Vars: []string{"CUDATEST_FAIL=cudaLaunchKernel=209"}},
			want: image + "the libraries for CUDA 13 have no kernels for GPUs of compute capability 10.0: use the build for CUDA 12 " +
				`("make deps-gpu CUDA=cuda12", or deploy/deps/fetch.sh gpu cuda12)`},
		{name: "cuDNN too new for a P100", line: CUDA12, config: Config{Devices: []Device{p100}, Vars: []string{"CUDATEST_CUDNN=91100"}},
			want: "cuda:0: CUDNN failure 3007: CUDNN_STATUS_NOT_SUPPORTED_ARCH_MISMATCH; " + serve12 + "6.0" + old},
		{name: "no cuDNN", config: Config{Without: []string{"libcudnn.so.9"}}, want: needs + "libcudnn.so.9" + missing},
		{name: "no CUDA 12", line: CUDA12, config: Config{Without: []string{"libcudart.so.12", "libcublas.so.12"}},
			want: needs + "libcublas.so.12, libcudart.so.12" + missing},
		{name: "no CUDA 13", line: CUDA13, config: Config{Without: []string{"libcudart.so.13", "libcublas.so.13"}},
			want: needs + "libcublas.so.13, libcudart.so.13" + missing},
		{name: "a GPU that another process has for itself", config: with("CUDATEST_FAIL=cudaSetDevice=46"),
			want: "cuda:0: CUDA failure 46: CUDA-capable device(s) is/are busy or unavailable; another process has this GPU for itself: " +
				"see the compute mode and the processes in nvidia-smi"},
		{name: "cuDNN does not start", config: with("CUDATEST_FAIL=cudnnCreate=1001"), want: "cuda:0: CUDNN failure 1001: CUDNN_UNKNOWN_STATUS" + cannot},
		{name: "cuDNN has no plan", config: with("CUDATEST_FAIL=cudnnPlan=3000"),
			want: probe + `CUDNN_FE failure 6: GRAPH_EXECUTION_PLAN_CREATION_FAILED (in the Conv node "conv")` + cannot},
		{name: "cuDNN has no kernel", config: with("CUDATEST_FAIL=cudnnBackendExecute=3000"),
			want: probe + `CUDNN_FE failure 11: CUDNN_BACKEND_API_FAILED (in the Conv node "conv")` + cannot},
		{name: "cuBLAS", config: with("CUDATEST_FAIL=cublasSgemm_v2=13"),
			want: probe + `CUBLAS failure 13: failure of the stand-in for cuBLAS (in the Gemm node "logits"); cuBLAS has to be that of CUDA N, ` +
				"and a GPU whose memory is full fails like this, too: see nvidia-smi"},
		{name: "an illegal address", config: with("CUDATEST_FAIL=cudaLaunchKernel=700@3"),
			want: probe + `CUDA failure 700: an illegal memory access was encountered (in the Relu node "work_0/relu"); the GPU has broken off its work, ` +
				`by a fault of the hardware or the driver (an Xid in dmesg) or of ONNX Runtime: start again, and see "batchscore doctor --device"`},
		{name: "a list of other GPUs", config: Config{Devices: gpus(2)}, visible: new("5"),
			want: `cuda: CUDA_VISIBLE_DEVICES selects none of the 2 GPUs ("5": there are the GPUs 0 to 1)`},
		{name: "one GPU twice", config: Config{Devices: gpus(2)}, visible: new("0,0"),
			want: `cuda: CUDA_VISIBLE_DEVICES selects none of the 2 GPUs ("0" is there twice)`},
		{name: "a name of nothing", visible: new("MIG-abc"), want: "cuda:0: CUDA failure 100: no CUDA-capable device is detected; " +
			`CUDA_VISIBLE_DEVICES is "MIG-abc", and CUDA finds none of these devices: nvidia-smi -L names those that there are`},
		{name: "no GPU on purpose", visible: new("-1"), noGPU: true,
			want: `cuda: CUDA_VISIBLE_DEVICES selects none of the 1 GPUs ("-1": there are the GPUs 0 to 0)`},
		{name: "an empty list", visible: new(""), noGPU: true, want: "cuda: CUDA_VISIBLE_DEVICES selects none of the 1 GPUs"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			run := func(t *testing.T, line Line) {
				c := c
				c.config.Line = line
				m, model, images, out := New(t, c.config), small(t), pictures(t, 4), filepath.Join(t.TempDir(), "out")
				if c.noDriver {
					if err := os.RemoveAll(m.Root); err != nil {
						t.Fatal(err)
					}
				}
				var vars []string
				if c.visible != nil {
					vars = []string{"CUDA_VISIBLE_DEVICES=" + *c.visible}
				}
				r := m.start(t, vars, scoring(model, images, out)...).wait(t)
				first, more, _ := strings.Cut(r.stderr, "\n")
				want := "batchscore: execution provider unavailable: " + strings.ReplaceAll(c.want, "CUDA N", fmt.Sprint("CUDA ", line))
				if r.code != 78 || first != want {
					t.Errorf("exit code %d, want 78; the first line is\n%s\nwant\n%s", r.code, first, want)
				}
				if more != "" || exists(out) {
					t.Errorf("more than one line, or an output was begun: %v\n%s", exists(out), more)
				}

				r = m.start(t, vars, scoringOn("auto", model, images, out)...).wait(t).must(t)
				warned := strings.Contains(r.stderr, `"level":"warn"`) && strings.Contains(r.stderr, "scoring on the CPU: there is a GPU, but it cannot be used")
				if warned == c.noGPU || strings.Count(r.stderr, `"level":"warn"`) > 1 || !strings.Contains(r.stderr, `"device":"cpu`) {
					t.Errorf("auto: warned %v, want %v, and the CPU:\n%s", warned, !c.noGPU, r.stderr)
				}
			}
			if c.line != 0 {
				run(t, c.line)
				return
			}
			lines(t, run)
		})
	}
}

// TestFault33_CUDABreaks: a GPU that breaks off in the middle of a run ends it with a
// message and without a crash. What was committed stays, and a rerun continues.
func TestFault33_CUDABreaks(t *testing.T) {
	t.Parallel()
	lines(t, func(t *testing.T, line Line) {
		model, images, out := small(t), pictures(t, 80), filepath.Join(t.TempDir(), "out")
		m := New(t, Config{Line: line})
		args := scoring(model, images, out, "--batch", "1", "--chunk", "1")
		r := m.start(t, []string{"CUDATEST_FAIL=cudaMemcpyAsync=700@100"}, args...).wait(t)
		const want = "batch of 1: CUDA failure 700: an illegal memory access was encountered"
		if r.code != 75 || !strings.Contains(r.stderr, want) || strings.Contains(r.stderr, "goroutine") {
			t.Fatalf("exit code %d, want 75 and %q:\n%s", r.code, want, r.stderr)
		}
		if r = m.batchscore(t, args...).must(t); !strings.Contains(r.stdout, "80 images: 80 ok, 0 failed") {
			t.Errorf("the rerun: %s%s", r.stdout, r.stderr)
		}
		if got, want := rows(t, m, out), reference(t, line, model, images); got != want {
			t.Errorf("rows after the rerun:\n%s\nwant\n%s", got, want)
		}
	})
}
