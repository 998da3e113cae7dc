package ort

import (
	"fmt"
	"strconv"

	onnx "github.com/yalue/onnxruntime_go"
)

// The execution providers that Options.Provider accepts. CPUDirect is CPU with all
// convolutions left to ONNX Runtime.
const (
	Auto      = "auto"
	CPU       = "cpu"
	CPUDirect = "cpu-direct"
	CUDA      = "cuda"
)

// Keys of session configuration entries.
const (
	allowSpinning    = "session.intra_op.allow_spinning"
	recordAssignment = "session.record_ep_graph_assignment_info"
	noPacking        = "session.disable_prepacking"
	noOptimizers     = "optimization.disable_specified_optimizers"
	int8Precision    = "session.x64quantprecision"
	weightsFolder    = "session.model_external_initializers_file_folder_path"
)

// settings is everything that configures a session, as plain data.
type settings struct {
	intraOp, interOp int
	arena, pattern   bool
	config           map[string]string
	// providers are in order of preference; the CPU always follows as the last.
	providers []provider
}

// provider is an execution provider with its options, as ONNX Runtime spells
// them.
type provider struct {
	name    string
	options map[string]string
}

// settingsFor returns the settings of a session on a provider other than Auto. The
// device is an index among the GPUs that this process sees.
func settingsFor(name string, device int, opt Options) settings {
	s := settings{
		// The caller's thread does all the work of an operator. Threads of ONNX
		// Runtime could split sums differently, and so change the bits.
		intraOp: 1, interOp: 1,
		arena:  true,
		config: map[string]string{allowSpinning: "0"},
	}
	if name == CPU {
		s.intraOp = max(opt.Threads, 1)
		return s
	}
	// A memory pattern is one block for everything that a run needs, kept for every
	// lane and every batch size. That saves a GPU allocations. On the CPU it is not
	// faster and needs half as much memory again.
	s.pattern = true
	s.config[recordAssignment] = "1"
	s.providers = append(s.providers, provider{CUDA, cudaOptions(device, opt)})
	return s
}

// shareWeights makes the CPU use the weights in the mapped file itself, so that all
// processes of the machine share the same pages. Otherwise ONNX Runtime copies the
// weights of dense layers into the order in which it reads them, once for each
// process. For VGG-16 that is 0.5 GB per rank, for 1 to 2 percent of the time.
func (s *settings) shareWeights() { s.config[noPacking] = "1" }

// keepPads keeps ONNX Runtime from moving the zeros of a Pad into the MaxPool after it,
// which ignores padding: where all numbers in a window are negative, zero is the largest.
// 1.30 does so, and 1.32 does not any more. BiT begins with such a pair.
func (s *settings) keepPads() { s.config[noOptimizers] = "Pad_Fusion" }

func cudaOptions(device int, opt Options) map[string]string {
	o := map[string]string{
		"device_id": strconv.Itoa(device),
		// Grow by what is needed. Doubling would leave up to half of the memory
		// unused, even though the batch is chosen to fill it.
		"arena_extend_strategy": "kSameAsRequested",
		// cuDNN's first heuristic. In releases before 1.20 an exhaustive search timed
		// the algorithms, so that ranks could differ; since then it is cuDNN's second
		// heuristic.
		"cudnn_conv_algo_search": "HEURISTIC",
		// Copies are in the order of the kernels that need them.
		"do_copy_in_default_stream": "1",
		"use_tf32":                  "0",
	}
	if opt.TF32 {
		o["use_tf32"] = "1"
	}
	if opt.NHWC {
		// Never one without the other: without NHWC, a fused bias clears memory on a
		// stream that is not in order with ONNX Runtime's own.
		o["prefer_nhwc"], o["fuse_conv_bias"] = "1", "1"
	}
	if opt.MemoryLimit > 0 {
		o["gpu_mem_limit"] = strconv.FormatInt(opt.MemoryLimit, 10)
	}
	return o
}

// sessionOptions returns ONNX Runtime's form of the settings. The caller destroys
// it.
func (s settings) sessionOptions() (_ *onnx.SessionOptions, err error) {
	o, err := onnx.NewSessionOptions()
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = o.Destroy()
		}
	}()
	steps := []func() error{
		func() error { return o.SetExecutionMode(onnx.ExecutionModeSequential) },
		func() error { return o.SetGraphOptimizationLevel(onnx.GraphOptimizationLevelEnableAll) },
		func() error { return o.SetLogSeverityLevel(onnx.LoggingLevelFatal) },
		func() error { return o.SetIntraOpNumThreads(s.intraOp) },
		func() error { return o.SetInterOpNumThreads(s.interOp) },
		func() error { return o.SetCpuMemArena(s.arena) },
		func() error { return o.SetMemPattern(s.pattern) },
	}
	for key, value := range s.config {
		steps = append(steps, func() error { return o.AddSessionConfigEntry(key, value) })
	}
	for _, p := range s.providers {
		steps = append(steps, func() error { return p.appendTo(o) })
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return o, nil
}

func (p provider) appendTo(o *onnx.SessionOptions) error {
	switch p.name {
	case CUDA:
		c, err := onnx.NewCUDAProviderOptions()
		if err != nil {
			return err
		}
		defer func() { _ = c.Destroy() }()
		if err := c.Update(p.options); err != nil {
			return err
		}
		return o.AppendExecutionProviderCUDA(c)
	}
	return fmt.Errorf("unknown execution provider %q", p.name)
}
