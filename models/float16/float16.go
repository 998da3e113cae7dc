// Package float16 converts numbers of IEEE 754 binary16, which models call half precision.
package float16

import "math"

// Max is the largest float16, and MinNormal the smallest with full precision.
const (
	Max       = 65504
	MinNormal = 1.0 / (1 << 14)
)

// Bits returns the float16 that is nearest to f, of two that are as near the even one.
// Numbers beyond its range become infinite; what is not a number stays so.
func Bits(f float32) uint16 {
	bits := math.Float32bits(f)
	sign, bits := uint16(bits>>16&0x8000), bits&0x7fffffff
	switch {
	case bits > 0x7f800000:
		return sign | 0x7e00 // not a number
	case bits >= 0x477ff000:
		return sign | 0x7c00
	case bits >= 0x38800000: // normal
		bits += 0xfff + bits>>13&1
		return sign | uint16((bits-0x38000000)>>13)
	}
	// A float16 below the normal ones counts 2^-24. Adding 0.5 to the number leaves that
	// count, rounded, in the last bits of the sum.
	sum := math.Float32frombits(bits) + 0.5
	return sign | uint16(math.Float32bits(sum)-math.Float32bits(0.5))
}

// Value returns the number that is a float16, which is always exact.
func Value(h uint16) float32 {
	sign, bits := uint32(h&0x8000)<<16, uint32(h&0x7fff)
	switch {
	case bits >= 0x7c00:
		return math.Float32frombits(sign | 0x7f800000 | bits&0x3ff<<13)
	case bits >= 0x400:
		return math.Float32frombits(sign | (bits<<13 + 0x38000000))
	}
	f := float32(bits) / (1 << 24)
	return math.Float32frombits(sign | math.Float32bits(f))
}
