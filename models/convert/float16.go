package convert

import (
	"encoding/binary"
	"math"
)

const (
	// maxHalf is the largest float16, minHalf the smallest with full precision.
	maxHalf = 65504
	minHalf = 1.0 / (1 << 14)
)

// half rounds f to the nearest float16, halfway cases to even.
func half(f float32) uint16 {
	bits := math.Float32bits(f)
	sign := uint16(bits >> 16 & 0x8000)
	exponent, mantissa := int(bits>>23&0xff), bits&0x7fffff
	switch {
	case exponent == 0xff && mantissa != 0:
		return sign | 0x7e00 // not a number
	case exponent >= 127+16:
		return sign | 0x7c00 // infinity
	case exponent <= 127-26:
		return sign // less than half of the smallest number, 2^-24
	case exponent <= 127-15:
		// Numbers below 2^-14 are multiples of 2^-24.
		shift := uint(127 - 1 - exponent)
		return sign + uint16(roundShift(mantissa|0x800000, shift))
	}
	// A carry out of the mantissa increments the exponent, up to infinity.
	return sign + uint16(roundShift(uint32(exponent-(127-15))<<23|mantissa, 13))
}

// roundShift returns v / 2^shift, rounded to nearest, ties to even.
func roundShift(v uint32, shift uint) uint32 {
	low := v & (1<<shift - 1)
	middle := uint32(1) << (shift - 1)
	v >>= shift
	if low > middle || low == middle && v&1 == 1 {
		v++
	}
	return v
}

func halfBytes(f []float32) []byte {
	raw := make([]byte, 0, 2*len(f))
	for _, v := range f {
		raw = binary.LittleEndian.AppendUint16(raw, half(v))
	}
	return raw
}
