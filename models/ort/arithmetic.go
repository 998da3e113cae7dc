package ort

import (
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/cpu"

	"github.com/batchscore/batchscore/models"
)

// Parts of Engine.Device, for arithmetic on a GPU other than float32 as in the graph.
const (
	halfPart = "/fp16"
	tf32Part = "/tf32"
	nhwcPart = "/nhwc"
)

// tf32Override is a variable with which NVIDIA's libraries allow or forbid TF32,
// whatever the program asks for.
const tf32Override = "NVIDIA_TF32_OVERRIDE"

// half reports whether the model's convolutions are in 16 bits.
func half(m *models.Model) bool { return m.Half || m.Contract.Precision == "fp16" }

// setArithmetic decides in what a GPU computes, if one does, and returns the parts of
// Engine.Device that say so. It must be called before CUDA's libraries are loaded,
// because it sets a variable that they read.
//
// ONNX Runtime takes the tensor cores away from all convolutions if TF32 is not
// allowed, also from those in 16 bits. So it is allowed for models in 16 bits; what
// is left in float32 in them then uses TF32.
func (o *Options) setArithmetic(m *models.Model) (parts string, err error) {
	if o.Provider == CPU || o.Provider == CPUDirect {
		return "", nil
	}
	switch {
	case half(m) && o.TF32:
		return "", fmt.Errorf("%w: %s has 16-bit weights and uses tensor cores without TF32: leave out --tf32", models.ErrModel, m.Path)
	case half(m):
		o.TF32, parts = true, halfPart
	case o.TF32:
		parts = tf32Part
	}
	if o.NHWC {
		parts += nhwcPart
	}
	if o.TF32 {
		return parts, os.Unsetenv(tf32Override) // the user's 0 would forbid it
	}
	// ONNX Runtime builds a plan with TF32 if cuDNN has none without it.
	return parts, os.Setenv(tf32Override, "0")
}

// errNoTF32 is the error for Options.TF32 on the CPU.
var errNoTF32 = fmt.Errorf("%w: TF32 is arithmetic of NVIDIA GPUs, and this is the CPU: leave out --tf32", models.ErrProvider)

// preciseInt8 is the part of Engine.Device for 8-bit models whose sums are kept
// from saturating.
const preciseInt8 = "int8-precise"

// Int8Saturates reports whether ONNX Runtime's sums of 8-bit products may be wrong
// on this processor. Open prevents that unless Options.Saturate allows it. On
// x86-64 without an 8-bit dot product (VNNI), pairs of products are added in 16
// bits, which saturate at 32767; 255 * 127 twice is 64770.
func Int8Saturates() bool { return int8Saturates }

// ONNX Runtime looks for the same instructions.
var int8Saturates = runtime.GOARCH == "amd64" && !hasVNNI()

func hasVNNI() bool {
	x := &cpu.X86
	return x.HasAVXVNNI || x.HasAVX512VNNI && x.HasAVX512BW && x.HasAVX512DQ && x.HasAVX512VL
}

// keepInt8Exact makes ONNX Runtime convert int8 weights into uint8, with the zero
// point moved by 128, and use kernels that add in 32 bits. The sums are those of
// VNNI. On processors with VNNI this would only be slower.
func (s *settings) keepInt8Exact() { s.config[int8Precision] = "1" }
