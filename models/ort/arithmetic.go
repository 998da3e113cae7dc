package ort

import (
	"fmt"
	"os"

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
