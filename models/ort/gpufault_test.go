package ort

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/device"
)

// place is what ONNX Runtime puts before its errors.
const place = "/onnxruntime_src/onnxruntime/core/providers/cuda/cuda_call.cc:129 std::conditional_t<THRW, void, onnxruntime::common::Status> " +
	"onnxruntime::CudaCall(ERRTYPE, const char*, const char*, SUCCTYPE, const char*, const char*, int) [with ERRTYPE = cudaError; bool THRW = true] "

// cudaError is an error of CUDA as ONNX Runtime reports it.
func cudaError(text string) error {
	return errors.New(place + text + " ; GPU=0 ; hostname=n1 ; file=/onnxruntime_src/onnxruntime/core/providers/cuda/cuda_execution_provider.cc ;" +
		" line=280 ; expr=cudaSetDevice(info_.device_id); ")
}

func TestBrief(t *testing.T) {
	const (
		driver  = "CUDA failure 35: CUDA driver version is insufficient for CUDA runtime version"
		missing = "Failed to load library libonnxruntime_providers_cuda.so with error: libcublas.so.12: cannot open shared object file"
		none    = "CUDA failure 100: no CUDA-capable device is detected"
	)
	for _, test := range []struct{ text, want string }{
		{text: "Exception during initialization: " + cudaError(driver).Error(), want: driver},
		{text: "Non-zero status code returned while running Conv node. Name:'mixed_3/conv' Status Message: CUDNN_FE failure 11: CUDNN_BACKEND_API_FAILED ; " +
			"GPU=0 ; hostname=n1 ; file=/x.cc ; line=2 ; expr=graph->build_plans(); \n{\"context\": {\"compute_data_type\": \"FLOAT\"}}",
			want: `CUDNN_FE failure 11: CUDNN_BACKEND_API_FAILED (in the Conv node "mixed_3/conv")`},
		{text: missing + "\nmore", want: missing},
		{text: none, want: none},
		{text: "Status Message: CUDA error cudaErrorNoKernelImageForDevice:no kernel image", want: "CUDA failure 209: no kernel image"},
	} {
		if got := brief(errors.New(test.text)).Error(); got != test.want {
			t.Errorf("%q\nbecame %q\nwant   %q", test.text, got, test.want)
		}
	}
	if err := cudaError("CUDA failure 100: none"); !errors.Is(brief(err), err) {
		t.Error("the error of ONNX Runtime is lost")
	}
}

// Want of memory at the start is said without ONNX Runtime's source, too.
func TestExplainMemory(t *testing.T) {
	err := target{provider: CUDA}.explain("a.onnx", cudaError("CUDA failure 2: out of memory"))
	const want = "a.onnx on cuda:0: device out of memory: CUDA failure 2: out of memory; "
	if !errors.Is(err, models.ErrNothingFits) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "ERRTYPE") {
		t.Errorf("%v, want %q", err, want)
	}
}

// What to do depends on the error, the build and the GPU.
func TestAdvise(t *testing.T) {
	p100 := device.GPUFacts{Name: "Tesla P100-PCIE-16GB", Capability: "6.0", Driver: "470.82.01", CUDNN: "9.12.0"}
	h100 := device.GPUFacts{Name: "NVIDIA H100", Capability: "9.0", Driver: "550.54.15", CUDNN: "9.10.2"}
	b200 := device.GPUFacts{Name: "NVIDIA B200", Capability: "10.0", Driver: "580.65.06", CUDNN: "9.19.0"}
	for _, test := range []struct {
		err  string
		in   circumstances
		want string
		old  bool // the sentence about old GPUs is there
	}{
		{err: "CUDA failure 35: insufficient", in: circumstances{cuda: 12, driver: true, facts: p100},
			want: "CUDA 12 needs the NVIDIA driver 525.60 or newer, and this is 470.82.01: update it"},
		{err: "CUDA failure 35: insufficient", in: circumstances{cuda: 13, driver: true, facts: h100},
			want: "580.65 or newer, and this is 550.54.15: update it, or use the build for CUDA 12"},
		{err: "CUDA failure 35: insufficient", in: circumstances{cuda: 12, driver: true}, want: "525.60 or newer: update it"},
		{err: "CUDA failure 35: insufficient", in: circumstances{cuda: 12}, want: "no NVIDIA driver that can be loaded"},
		{err: "CUDA failure 100: none", in: circumstances{visible: 1}, want: "the driver lists 1 GPU, but CUDA may use none: start the container with its GPUs"},
		{err: "Invalid device ID: 1, must be between 0 (inclusive) and 1 (exclusive)", in: circumstances{visible: 8, facts: p100},
			want: "the driver lists 8 GPUs, but CUDA shows this process fewer"},
		{err: "CUDA failure 209: no kernel image is available for execution on the device", in: circumstances{cuda: 13, facts: p100},
			want: "ONNX Runtime's builds for CUDA 13 serve GPUs of compute capability 7.5 and newer except 10.x and 11.x, and this one has 6.0", old: true},
		{err: "CUDA failure 209: no kernel image is available", in: circumstances{cuda: 12}, want: "6.0 and newer", old: true},
		{err: "CUDA failure 209: no kernel image is available", in: circumstances{cuda: 12, facts: h100},
			want: "the libraries for CUDA 12 have no kernels for GPUs of compute capability 9.0: take those of a newer ONNX Runtime"},
		{err: "CUDA failure 209: no kernel image is available", in: circumstances{cuda: 13, facts: b200}, want: "capability 10.0: use the build for CUDA 12 ("},
		{err: "CUDA failure 209: no kernel image is available", in: circumstances{cuda: 13, facts: h100},
			want: "the libraries for CUDA 13 have no kernels for GPUs of compute capability 9.0: take those of a newer ONNX Runtime"},
		{err: "CUDA failure 209: no kernel image is available", in: circumstances{cuda: 13}, want: "7.5 and newer except 10.x and 11.x; ", old: true},
		{err: "CUDA failure 700: an illegal memory access was encountered", in: circumstances{facts: h100}, want: "Xid"},
		{err: "CUDA failure 802: system not yet initialized", want: "nvidia-fabricmanager"},
		{err: "CUDA failure 9999: new", in: circumstances{facts: h100}, want: ""},
		{err: "cuDNN is unavailable or disabled for CUDA Execution Provider: dlopen failed for libcudnn.so.9", in: circumstances{cuda: 13},
			want: "cuDNN 9 for CUDA 13 cannot be loaded: \"make deps-gpu\""},
		{err: "CUDNN_FE failure 11: CUDNN_BACKEND_API_FAILED", in: circumstances{cuda: 12, facts: p100}, want: "cuDNN 9.12.0 cannot compute", old: true},
		{err: "CUDNN_FE failure 6: CUDNN", in: circumstances{cuda: 12, facts: h100},
			want: "cuDNN 9.10.2 cannot compute this model on NVIDIA H100 (compute capability 9.0), or is not for CUDA 12"},
		{err: "CUDNN failure 1002: CUDNN_STATUS_SUBLIBRARY_VERSION_MISMATCH", want: "different releases"},
		{err: "CUDNN failure 3007: CUDNN_STATUS_NOT_SUPPORTED_ARCH_MISMATCH", in: circumstances{cuda: 12, facts: p100}, want: "6.0 and newer", old: true},
		{err: "CUBLAS failure 1: CUBLAS_STATUS_NOT_INITIALIZED", in: circumstances{cuda: 12}, want: "cuBLAS has to be that of CUDA 12"},
		{err: "Failed to load library libonnxruntime_providers_cuda.so with error: libcufft.so.11: cannot open shared object file", in: circumstances{cuda: 12},
			want: "a library of CUDA 12 cannot be loaded"},
	} {
		got := test.in.advise(errors.New(test.err))
		if !strings.Contains(got, test.want) || strings.Contains(got, "K80") != test.old || test.want == "" && got != "" {
			t.Errorf("%s, %+v: %q, want %q and about old GPUs: %v", test.err, test.in, got, test.want, test.old)
		}
	}
}

// Every error after which CUDA is unusable is recognised by its code and its name, and has
// advice.
func TestLastingFaults(t *testing.T) {
	for _, code := range slices.Concat(damaged, brokenOff) {
		err := fmt.Errorf("CUDA failure %d: text", code)
		if f, ok := parseFault(err); !ok || !f.lasts() {
			t.Errorf("%v is not recognised", err)
		}
		if (circumstances{}).advise(err) == "" {
			t.Errorf("%v has no advice", err)
		}
		name := ""
		for n, c := range namedCodes {
			if c == code {
				name = n
			}
		}
		if f, ok := parseFault(fmt.Errorf("CUDA error %s:text", name)); !ok || !f.lasts() {
			t.Errorf("%d by its name %q is not recognised", code, name)
		}
	}
	for _, code := range []int{1, 2, 100, 708, 999} {
		if f, _ := parseFault(fmt.Errorf("CUDA failure %d: text", code)); f.lasts() {
			t.Errorf("%v is taken for one that lasts", f)
		}
	}
}

// An error of the first run on a GPU is the model's fault only if it would be the same on
// the CPU.
func TestExplainProbe(t *testing.T) {
	const shape = "Non-zero status code returned while running Reshape node. Name:'r' Status Message: Input shape:{2,8}, requested shape:{1,8}"
	gpu := target{provider: CUDA}
	for _, test := range []struct {
		on   target
		text string
		want error
	}{
		{on: gpu, text: "CUDA failure 2: out of memory", want: models.ErrOutOfMemory},
		{on: gpu, text: cudaError("CUDA failure 209: no kernel image is available for execution on device").Error(), want: models.ErrProvider},
		{on: gpu, text: "CUDNN failure 1001: CUDNN_STATUS_NOT_INITIALIZED ; GPU=0", want: models.ErrProvider},
		{on: gpu, text: "CUDNN_FE failure 11: CUDNN_BACKEND_API_FAILED ; GPU=0 ; x", want: models.ErrOutOfMemory}, // until a smaller batch fails, too
		{on: gpu, text: "CUDNN_FE failure 6: CUDNN_GRAPH_NOT_SUPPORTED ; GPU=0 ; x\n{\"dim\":[1,2], \"shape\": 3}", want: models.ErrProvider},
		{on: gpu, text: "cuDNN is unavailable or disabled for CUDA Execution Provider: dlopen failed for libcudnn.so", want: models.ErrProvider},
		{on: gpu, text: "something that nobody has seen", want: models.ErrProvider},
		{on: gpu, text: "OrtValue shape verification failed. Current shape:{1,5} Requested: {2,5}", want: models.ErrModel},
		{on: gpu, text: shape, want: models.ErrModel},
		{on: target{provider: CPU}, text: shape, want: models.ErrModel},
		{on: target{provider: CPU}, text: "something that nobody has seen", want: models.ErrModel},
	} {
		err := test.on.explainProbe(classify(errors.New(test.text)))
		if !errors.Is(err, test.want) || strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), "hostname") {
			t.Errorf("%q on %s: %v, want %v in one line", test.text, test.on, err, test.want)
		}
	}
}

// The libraries of another release of CUDA are not accepted, and cuDNN is needed even if the
// provider loads it later.
func TestMixedReleases(t *testing.T) {
	dir, stubs := t.TempDir(), t.TempDir()
	runtime := sharedObject(t, filepath.Join(stubs, "libcudart.so.13"), "int x;", "-Wl,-soname,libcudart.so.13")
	sharedObject(t, filepath.Join(dir, "libcudart.so.12"), "int x;", "-Wl,-soname,libcudart.so.12")
	provider := sharedObject(t, filepath.Join(dir, "libonnxruntime_providers_cuda.so"), "int y;", "-Wl,--no-as-needed", runtime)
	text, err := missingFor(provider)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"needs libcudart.so.13, libcudnn.so.9, which cannot be loaded", "libcudart.so.12, of another release of CUDA, is there"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q does not say %q", text, want)
		}
	}
	if n := cudaRelease(provider); n != 13 {
		t.Errorf("the provider is for CUDA %d", n)
	}
	for _, name := range []string{"libcudart.so.13", "libcudnn.so.9"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if text, err := missingFor(provider); text != "" || err != nil {
		t.Errorf("with all libraries: %q, %v", text, err)
	}
}
