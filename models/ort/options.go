package ort

import (
	"strings"

	"github.com/rs/zerolog"

	"github.com/batchscore/batchscore/models/device"
)

// Options choose where and how a model runs. The zero value runs it on an
// NVIDIA GPU if there is one, else on the cores of this process.
type Options struct {
	// Provider is Auto, CPU, CPUDirect or CUDA; empty means Auto.
	Provider string
	// Library is the path of ONNX Runtime; see FindLibrary.
	Library string
	// Lanes is how many Score calls run at the same time; 0 means one per core on
	// the CPU and two on a GPU.
	Lanes int
	// Threads is how many threads of ONNX Runtime work on one Score call on the
	// CPU; 0 means 1, which is the caller's own. It is for measurements only: how
	// an operator is split may change the bits of scores, and the convolutions of
	// package winograd are not split.
	Threads int
	// Batch is the largest batch that will be scored; 0 means unknown. With 1, the
	// model is tried with single images, and is given single images only.
	Batch int
	// LocalRank and LocalSize are this process's rank among the processes of its
	// machine, and their number. They choose the GPU and divide the cores. A
	// LocalSize of 0 means 1.
	LocalRank, LocalSize int
	// Unplaced says that the rank of this process on its machine is unknown: LocalRank
	// is then its rank among all processes.
	Unplaced bool
	// MemoryLimit is the most memory that ONNX Runtime uses on a GPU, in bytes; 0
	// means no limit.
	MemoryLimit int64
	// TF32 lets a GPU round the factors of float32 products to 10 bits where it has
	// tensor cores for that (Ampere and newer), which changes scores. Open refuses it
	// on the CPU, and for a model of 16 bits.
	TF32 bool
	// NHWC lets a GPU order activations by pixel, with the bias fused into the
	// convolution. It is for measurements only, and changes scores.
	NHWC bool
	// Saturate lets sums of 8-bit products saturate where that is faster, as the
	// first releases did. A job that one of them began needs it to be finished with
	// the same bytes.
	Saturate bool
	// Logger receives what a person should know and no error reports.
	Logger zerolog.Logger
}

// DefaultBatch returns the best number of images per Score call on a provider, or on
// a device that Engine.Device names. On the CPU a larger batch is not faster and
// needs more memory. Auto counts as a GPU if there is one.
func DefaultBatch(on string) int {
	if OnCPU(on) || (on == Auto || on == "") && device.GPUs().Visible() == 0 {
		return 4
	}
	return 32
}

// OnCPU reports whether a provider other than Auto, or a device that Engine.Device
// names, is the CPU.
func OnCPU(on string) bool {
	name, _, _ := strings.Cut(on, "/")
	return name == CPU || name == CPUDirect
}

// gpuLanes is two: one batch is copied while the other is computed.
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
