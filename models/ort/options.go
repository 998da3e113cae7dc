package ort

import (
	"strings"

	"github.com/rs/zerolog"

	"github.com/batchscore/batchscore/models/device"
)

// Options choose where and how a model runs. The zero value runs it on an
// NVIDIA GPU if there is one, else on the cores of this process.
type Options struct {
	// Provider is Auto, CPU, CPUDirect, CUDA or TensorRT; empty means Auto.
	Provider string
	// Library is the path of ONNX Runtime; see FindLibrary.
	Library string
	// Lanes is how many Score calls run at once; 0 means one a core on the CPU
	// and two on a GPU.
	Lanes int
	// Threads is how many threads of ONNX Runtime's work on one Score call on
	// the CPU; 0 means 1, which is the caller's own. It is for measurements:
	// how an operator is split may change the bits of scores, and the
	// convolutions of package winograd are not split.
	Threads int
	// Batch is the largest batch that will be scored, if that is known: with 1,
	// a model is tried with single images, and always given those. 0 is any.
	Batch int
	// LocalRank and LocalSize are this process's place among those of its
	// machine: they choose the GPU and share out the cores. A LocalSize of 0
	// means 1.
	LocalRank, LocalSize int
	// MemoryLimit bounds the memory that ONNX Runtime takes on a GPU, in
	// bytes; 0 means no bound.
	MemoryLimit int64
	// FP16 lets TensorRT compute in half precision, which changes scores.
	FP16 bool
	// Saturate lets sums of 8-bit products saturate where that is faster, as
	// the first releases did: whoever finishes what one of them began needs the
	// same bytes.
	Saturate bool
	// EngineCache is a folder where TensorRT keeps the engines that it builds,
	// which takes minutes; empty means that it builds them every time.
	EngineCache string
	// Logger takes what a person should know and no error says.
	Logger zerolog.Logger
}

// DefaultBatch is the number of images per Score call that is worth taking on
// a provider, or on what Engine.Device names: on the CPU a larger batch gains
// no speed and costs memory. Auto is judged by whether there is a GPU.
func DefaultBatch(on string) int {
	if OnCPU(on) || (on == Auto || on == "") && device.GPUs().Visible() == 0 {
		return 4
	}
	return 32
}

// OnCPU tells whether a provider other than Auto, or what Engine.Device names,
// is the CPU.
func OnCPU(on string) bool {
	name, _, _ := strings.Cut(on, "/")
	return name == CPU || name == CPUDirect
}

// gpuLanes: one batch is copied while the other is computed.
const gpuLanes = 2

func (o Options) lanes(provider string) int {
	switch {
	case o.Lanes > 0:
		return o.Lanes
	case provider != CPU:
		return gpuLanes
	}
	return device.CPUs(o.LocalSize).Usable
}
