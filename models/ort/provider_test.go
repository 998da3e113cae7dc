package ort

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/device"
	"github.com/batchscore/batchscore/models/graph/graphtest"
	"github.com/batchscore/batchscore/models/ort/internal/lanes"
)

func TestSettings(t *testing.T) {
	cudaBase := map[string]string{
		"device_id": "2", "arena_extend_strategy": "kSameAsRequested", "cudnn_conv_algo_search": "HEURISTIC",
		"do_copy_in_default_stream": "1", "use_tf32": "0",
	}
	with := func(base map[string]string, extra ...string) map[string]string {
		m := maps.Clone(base)
		for i := 0; i < len(extra); i += 2 {
			m[extra[i]] = extra[i+1]
		}
		return m
	}
	gpuConfig := map[string]string{"session.intra_op.allow_spinning": "0", "session.record_ep_graph_assignment_info": "1"}
	for _, test := range []struct {
		name     string
		provider string
		opt      Options
		want     settings
	}{
		{name: "cpu", provider: CPU, opt: Options{MemoryLimit: 1 << 30}, want: settings{1, 1, true, false,
			map[string]string{"session.intra_op.allow_spinning": "0"}, nil}},
		{name: "cuda", provider: CUDA, opt: Options{}, want: settings{1, 1, true, true, gpuConfig, []provider{{CUDA, cudaBase}}}},
		{name: "cuda with a limit", provider: CUDA, opt: Options{MemoryLimit: 4 << 30}, want: settings{1, 1, true, true, gpuConfig,
			[]provider{{CUDA, with(cudaBase, "gpu_mem_limit", "4294967296")}}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := settingsFor(test.provider, 2, test.opt); !reflect.DeepEqual(got, test.want) {
				t.Errorf("%+v\nwant %+v", got, test.want)
			}
		})
	}
}

// one is a machine with one GPU.
var one = device.GPUList{All: []device.GPU{{Name: "Tesla P100-PCIE-16GB"}}}

// Row 33 of the faults: the error names everything that is missing.
func TestMissingProvider(t *testing.T) {
	dir := t.TempDir()
	library := filepath.Join(dir, "libonnxruntime.so.1")
	if err := os.WriteFile(library, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	check := func(provider string, gpus device.GPUList, want ...string) {
		t.Helper()
		err := available(provider, library, gpus)
		if !errors.Is(err, models.ErrProvider) {
			t.Fatalf("%v does not wrap ErrProvider", err)
		}
		for _, want := range append(want, provider) {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%q does not contain %q", err, want)
			}
		}
	}
	check(CUDA, device.GPUList{}, library+" is a build without cuda: not next to it: libonnxruntime_providers_shared.so, libonnxruntime_providers_cuda.so;",
		"no NVIDIA GPU", "deps-gpu", "fetch.sh gpu")
	check(CUDA, device.GPUList{All: one.All, Restricted: true}, "CUDA_VISIBLE_DEVICES selects none")

	// Files that exist and cannot be used are not called missing.
	folder, loop := filepath.Join(dir, "libonnxruntime_providers_shared.so"), filepath.Join(dir, "libonnxruntime_providers_cuda.so")
	if err := errors.Join(os.Mkdir(folder, 0o755), os.Symlink(filepath.Base(loop), loop)); err != nil {
		t.Fatal(err)
	}
	check(CUDA, one, folder+" is a folder", loop+": "+syscall.ELOOP.Error())
	if err := available(CUDA, library, one); strings.Contains(err.Error(), "is a build without") {
		t.Errorf("%v calls files missing that exist", err)
	}
	if err := errors.Join(os.Remove(folder), os.Remove(loop)); err != nil {
		t.Fatal(err)
	}

	// A provider on a machine without CUDA and cuDNN: it needs libraries that existed only
	// when it was linked.
	stubs := t.TempDir()
	var flags []string
	for _, name := range []string{"libcudnn.so.9", "libcublasLt.so.12", "libnovel.so.1"} {
		flags = append(flags, sharedObject(t, filepath.Join(stubs, name), "int x;", "-Wl,-soname,"+name))
	}
	flags = append(flags, "-Wl,--no-as-needed", "-lm")
	sharedObject(t, filepath.Join(dir, "libonnxruntime_providers_shared.so"), "int z;")
	sharedObject(t, filepath.Join(dir, "libonnxruntime_providers_cuda.so"), "int y;", append([]string{"-Wl,--no-as-needed"}, flags...)...)
	check(CUDA, one, "libonnxruntime_providers_cuda.so needs libcudnn.so.9, libcublasLt.so.12, libnovel.so.1, which cannot be loaded", "fetch.sh gpu")
	if err := available(CUDA, library, one); strings.Contains(err.Error(), "libm.so") || strings.Contains(err.Error(), "NVIDIA GPU is visible") {
		t.Errorf("%v names libraries that exist", err)
	}
	for _, name := range []string{"libcudnn.so.9", "libcublasLt.so.12", "libnovel.so.1"} {
		if err := os.Rename(filepath.Join(stubs, name), filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := available(CUDA, library, one); err != nil {
		t.Errorf("got %v, want no error", err)
	}
}

// Row 33 of the faults through Open, on this machine.
func TestOpenWithoutGPU(t *testing.T) {
	needLibrary(t)
	if device.GPUs().Visible() > 0 {
		t.Skip("this machine has a GPU")
	}
	m := tiny(t, graphtest.Options{})
	e, err := Open(m, Options{Provider: CUDA})
	if err == nil {
		_ = e.Close()
		t.Fatalf("cuda opened on %s", e.Device())
	}
	if !errors.Is(err, models.ErrProvider) || !strings.Contains(err.Error(), "no NVIDIA GPU") {
		t.Error(err)
	}
	if e := open(t, m, Options{Provider: Auto}); e.Device() != "cpu" {
		t.Errorf("auto chose %s", e.Device())
	}
	if _, err := Open(m, Options{Provider: "rocm"}); !errors.Is(err, models.ErrProvider) || !strings.Contains(err.Error(), "cpu-direct, cuda") {
		t.Errorf("an unknown provider: %v", err)
	}
}

// ONNX Runtime itself is asked for a provider that a CPU build lacks. Its error becomes
// ErrProvider.
func TestRuntimeRefusesCUDA(t *testing.T) {
	library := needLibrary(t)
	open(t, tiny(t, graphtest.Options{}), Options{})
	if fileExists(providerFile(library, CUDA)) {
		t.Skip("this ONNX Runtime is built with CUDA")
	}
	o, err := settingsFor(CUDA, 0, Options{}).sessionOptions()
	if err == nil {
		_ = o.Destroy()
		t.Fatal("cuda was appended")
	}
	err = target{provider: CUDA}.explain("model.onnx", &providerError{err})
	if !errors.Is(err, models.ErrProvider) {
		t.Errorf("%v does not wrap ErrProvider", err)
	}
	t.Log(err)
}

func TestPlacement(t *testing.T) {
	type nodes = map[string]map[string]int
	for _, test := range []struct {
		name     string
		provider string
		nodes    nodes
		want     string // empty: no error
	}{
		{name: "all on cuda", provider: CUDA, nodes: nodes{"CUDAExecutionProvider": {"Conv": 3}}, want: ""},
		{name: "shapes on the cpu", provider: CUDA, nodes: nodes{"CUDAExecutionProvider": {"Conv": 3}, "CPUExecutionProvider": {"Shape": 1}}, want: ""},
		{
			name:     "work on the cpu",
			provider: CUDA,
			nodes:    nodes{"CUDAExecutionProvider": {"Conv": 3}, "CPUExecutionProvider": {"Conv": 2, "Gemm": 1}},
			want:     "1 Gemm, 2 Conv",
		},
		{
			name:     "integers on the cpu",
			provider: CUDA,
			nodes:    nodes{"CUDAExecutionProvider": {"Relu": 3}, "CPUExecutionProvider": {"QLinearConv": 2, "MatMulInteger": 1}},
			want:     "1 MatMulInteger, 2 QLinearConv",
		},
		{name: "nothing on cuda", provider: CUDA, nodes: nodes{"CPUExecutionProvider": {"Relu": 1}}, want: "no part"},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := judgePlacement(test.provider, test.nodes)
			if (err == nil) != (test.want == "") || err != nil && (!errors.Is(err, models.ErrProvider) || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("%v, want %q", err, test.want)
			}
		})
	}
}

// The placement of a real session reaches judgePlacement: a session on the CPU that should
// run on CUDA is detected.
func TestPlacementIsRead(t *testing.T) {
	e := open(t, tiny(t, graphtest.Options{}), Options{})
	if err := e.session.Destroy(); err != nil {
		t.Fatal(err)
	}
	s := settingsFor(CPU, 0, Options{})
	s.config[recordAssignment] = "1"
	if err := e.createSession(s, nil); err != nil {
		t.Fatal(err)
	}
	nodes, err := e.api.assigned(e.native)
	if err != nil {
		t.Fatal(err)
	}
	if n := nodes["CPUExecutionProvider"]; len(nodes) != 1 || len(n) < 3 {
		t.Errorf("nodes: %v", nodes)
	}
	if err := e.checkPlacement(CUDA, Options{}); !errors.Is(err, models.ErrProvider) {
		t.Errorf("a session on the CPU passed as one on CUDA: %v", err)
	}
	if err := e.checkPlacement(CPU, Options{}); err != nil {
		t.Error(err)
	}
}

func TestClassify(t *testing.T) {
	for _, text := range []string{
		"Error running network: Non-zero status code returned while running Conv node. Name:'a' Status Message: " +
			"BFCArena::AllocateRawInternal(size_t, bool) Failed to allocate memory for requested buffer of size 822083584",
		"BFCArena::AllocateRawInternal Available memory of 1048576 is smaller than requested bytes of 6422528",
		"CUDA failure 2: out of memory ; GPU=0 ; hostname=n1 ; expr=cudaMalloc((void**)&p, size);",
		"CUDNN failure 4: CUDNN_STATUS_ALLOC_FAILED ; GPU=0",
		"CUBLAS failure 3: CUBLAS_STATUS_ALLOC_FAILED",
		"Exception during initialization: std::bad_alloc",
		"CUDNN failure 4004: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED ; GPU=0",
		"CUDNN failure 4003: CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED ; GPU=0",
		"CUFFT failure 2: CUFFT_ALLOC_FAILED",
		"CUDA error: CUDA_ERROR_OUT_OF_MEMORY",
		"Failed to find a free memory block despite calling Extend. rounded_bytes=1024",
	} {
		if err := classify(errors.New(text)); !errors.Is(err, models.ErrOutOfMemory) || !strings.Contains(err.Error(), text) {
			t.Errorf("%q: got %v", text, err)
		}
	}
	other := fmt.Errorf("Got invalid dimensions for input: images")
	if err := classify(other); !errors.Is(err, other) || errors.Is(err, models.ErrOutOfMemory) {
		t.Errorf("%v became %v", other, err)
	}
	if classify(nil) != nil {
		t.Error("classify(nil) is an error")
	}
}

// cuDNN's front end does not say whether its back end lacks memory.
func TestClassifyUnclear(t *testing.T) {
	const text = "CUDNN_FE failure 11: CUDNN_BACKEND_API_FAILED ; GPU=0 ; hostname=node ; expr=s_.cudnn_fe_graph->build_plans(handle)"
	var unclear *lanes.UnclearError
	if err := classify(errors.New(text)); !errors.As(err, &unclear) || !errors.Is(err, models.ErrOutOfMemory) || err.Error() != text {
		t.Errorf("got %v", err)
	}
	if err := classify(errors.New("CUDNN_FE failure 6: CUDNN_GRAPH_NOT_SUPPORTED")); errors.Is(err, models.ErrOutOfMemory) {
		t.Errorf("an operator that is not supported counts as too little memory: %v", err)
	}
}

func TestProbe(t *testing.T) {
	library := needLibrary(t)
	info, err := Probe("")
	if err != nil {
		t.Fatal(err)
	}
	if info.Library != library || !strings.HasPrefix(info.Version, "1.") {
		t.Errorf("library %q, version %q", info.Library, info.Version)
	}
	if len(info.Built) == 0 || !strings.Contains(strings.Join(info.Built, " "), "CPUExecutionProvider") {
		t.Errorf("built for %q", info.Built)
	}
	if len(info.Providers) != 2 || info.Providers[0].Name != CPU || info.Providers[0].Err != nil {
		t.Errorf("providers %+v", info.Providers)
	}
	for _, p := range info.Providers[1:] {
		if device.GPUs().Visible() == 0 && !errors.Is(p.Err, models.ErrProvider) {
			t.Errorf("%s without a GPU: %v", p.Name, p.Err)
		}
	}
	if environment.users != 0 {
		t.Errorf("Probe left %d users of the environment", environment.users)
	}
	if _, err := Probe(filepath.Join(t.TempDir(), "none.so")); !errors.Is(err, models.ErrProvider) {
		t.Errorf("no library: %v", err)
	}
}

func TestDefaults(t *testing.T) {
	auto := 32
	if device.GPUs().Visible() == 0 {
		auto = 4
	}
	for on, want := range map[string]int{
		CPU:            4,
		CPUDirect:      4,
		"cpu/winograd": 4,
		CUDA:           32,
		"cuda:1":       32,
		Auto:           auto,
		"":             auto,
	} {
		if got := DefaultBatch(on); got != want {
			t.Errorf("%q: a batch of %d, want %d", on, got, want)
		}
	}
	for _, test := range []struct {
		opt      Options
		provider string
		want     int
	}{
		{opt: Options{}, provider: CUDA, want: 2},
		{opt: Options{Lanes: 3}, provider: CUDA, want: 3},
		{opt: Options{Lanes: 3}, provider: CPU, want: 3},
		{opt: Options{}, provider: CPU, want: device.CPUs(1).Usable},
		{opt: Options{LocalSize: 1 << 20}, provider: CPU, want: device.CPUs(1 << 20).Usable},
	} {
		t.Run(fmt.Sprintf("%s/%d lanes", test.provider, test.opt.Lanes), func(t *testing.T) {
			if got := test.opt.lanes(test.provider); got != test.want {
				t.Errorf("%s, %+v: %d lanes, want %d", test.provider, test.opt, got, test.want)
			}
		})
	}
	for want, target := range map[string]target{
		"cpu": {provider: CPU}, "cuda:1": {provider: CUDA, index: 1},
	} {
		if got := target.String(); got != want {
			t.Errorf("%+v is %q, want %q", target, got, want)
		}
	}
}

// Convolutions that are fused in the file are found on the GPU only.
func TestUnorderedNodes(t *testing.T) {
	nodes := map[string]map[string]int{providerNames[CUDA]: {"FusedConv": 3, "Conv": 2}, providerNames[CPU]: {"FusedConv": 1}}
	if n := unordered(nodes, Options{}); n != 3 {
		t.Errorf("%d nodes, want 3", n)
	}
	if n := unordered(nodes, Options{NHWC: true}); n != 0 {
		t.Errorf("%d nodes with NHWC, want 0", n)
	}
	delete(nodes, providerNames[CUDA])
	if n := unordered(nodes, Options{}); n != 0 {
		t.Errorf("%d nodes without a GPU, want 0", n)
	}
}
