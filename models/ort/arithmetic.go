package ort

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"

	"github.com/rs/zerolog"
	"golang.org/x/sys/cpu"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/device"
	"github.com/batchscore/batchscore/models/device/gpu"
	"github.com/batchscore/batchscore/scorer/telemetry/event"
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
	asked := o.TF32
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
	allowed, err := override.set(o.TF32)
	if err == nil && asked && !allowed {
		err = errTF32Forbidden
	}
	return parts, err
}

// tf32Switch is the value of tf32Override. NVIDIA's libraries may read it at any time,
// so all engines of a process have that of the first one that may compute on a GPU.
type tf32Switch struct {
	sync.Mutex
	decided, allowed bool
}

var override tf32Switch

// set allows or forbids TF32 to NVIDIA's libraries unless that is decided, and reports
// whether it is allowed. If it is although an engine does not want it, ONNX Runtime's own
// option forbids it, except where cuDNN has no plan without it. If it is not although the
// engine has a model in 16 bits, what is left in float32 in that is computed in float32.
func (s *tf32Switch) set(allow bool) (allowed bool, err error) {
	s.Lock()
	defer s.Unlock()
	if s.decided {
		return s.allowed, nil
	}
	if allow {
		err = os.Unsetenv(tf32Override) // the user's 0 would forbid it
	} else {
		// ONNX Runtime builds a plan with TF32 if cuDNN has none without it.
		err = os.Setenv(tf32Override, "0")
	}
	s.decided, s.allowed = err == nil, allow
	return allow, err
}

// errTF32Forbidden is the error for Options.TF32 after an engine without it.
var errTF32Forbidden = fmt.Errorf("%w: this process has computed without TF32, which NVIDIA's libraries may have read once:"+
	" use another process for TF32", models.ErrProvider)

// firstTF32 is the compute capability from which GPUs have TF32.
const firstTF32 = "8.0"

// checkTF32 takes TF32 out of the name of the device if the GPU has none, and warns. The
// GPU computes in float32 then. CUDA must be loaded.
func (e *Engine) checkTF32(log zerolog.Logger) {
	g, _ := gpu.Open(homes(e.library), e.target.index) // what is not known stays empty
	facts := g.Facts()
	if facts.Capability == "" || device.AtLeast(facts.Capability, firstTF32) {
		return
	}
	e.target.arithmetic = strings.Replace(e.target.arithmetic, tf32Part, "", 1)
	e.device = e.target.String()
	event.TF32Missing.On(log).Str("device", e.device).Str("gpu_name", facts.Name).Str("compute_capability", facts.Capability).
		Msg("--tf32 does nothing: GPUs have TF32 from compute capability " + firstTF32 + " on; this one computes in float32")
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
