// Package floats converts numbers of 32 bits to and from the little-endian bytes of files of
// models. The race detector does not look at each of them, which would take ten times as long as
// converting them.
package floats

import (
	"encoding/binary"
	"math"
)

// Append appends the bytes of numbers to buf.
//
//go:norace
//go:nocheckptr
func Append(buf []byte, numbers []float32) []byte {
	for _, v := range numbers {
		buf = binary.LittleEndian.AppendUint32(buf, math.Float32bits(v))
	}
	return buf
}

// Decode fills numbers from src, which has 4 bytes for each.
//
//go:norace
//go:nocheckptr
func Decode(numbers []float32, src []byte) {
	for i := range numbers {
		numbers[i] = math.Float32frombits(binary.LittleEndian.Uint32(src[4*i:]))
	}
}
