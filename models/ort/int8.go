package ort

import (
	"runtime"

	"golang.org/x/sys/cpu"
)

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
