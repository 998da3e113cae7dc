package weights

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"

	"github.com/batchscore/batchscore/models/float16"
	"github.com/batchscore/batchscore/models/graph/floats"
)

// size returns the number of bytes of one stored element; 0 for a type that is not
// supported.
func (t DType) size() int64 {
	switch t {
	case Uint8, Int8:
		return 1
	case Float16, BFloat16, Uint16:
		return 2
	case Float32, Int32:
		return 4
	case Float64, Int64:
		return 8
	}
	return 0
}

// Elements returns the number of elements of a shape; 1 for a scalar. A negative size,
// or more than limit elements, is an error.
func elements(shape []int64, limit int64) (int64, error) {
	n := int64(1)
	for _, d := range shape {
		if d < 0 {
			return 0, fmt.Errorf("shape %v has a negative size", shape)
		}
		if d > 0 && n > limit/d {
			return 0, fmt.Errorf("shape %v has more than the %d elements that there is room for", shape, limit)
		}
		n *= d
	}
	return n, nil
}

// blockBytes is the most bytes of a stored tensor that are in memory at a time. It is a
// multiple of every element's size.
const blockBytes = 256 << 10

// readElements fills dst with the little-endian elements in r.
func readElements(r io.Reader, t DType, dst []float32) error {
	width := int(t.size())
	buf := make([]byte, min(blockBytes, len(dst)*width))
	for len(dst) > 0 {
		n := min(len(dst), len(buf)/width)
		if _, err := io.ReadFull(r, buf[:n*width]); err != nil {
			return err
		}
		decode(dst[:n], t, buf)
		dst = dst[n:]
	}
	return nil
}

// decode converts len(dst) elements of src.
func decode(dst []float32, t DType, src []byte) {
	le := binary.LittleEndian
	switch t {
	case Float32:
		floats.Decode(dst, src)
	case Float64:
		for i := range dst {
			dst[i] = float32(math.Float64frombits(le.Uint64(src[8*i:])))
		}
	case Float16:
		for i := range dst {
			dst[i] = float16.Value(le.Uint16(src[2*i:]))
		}
	case BFloat16:
		for i := range dst {
			dst[i] = math.Float32frombits(uint32(le.Uint16(src[2*i:])) << 16)
		}
	case Uint8:
		for i := range dst {
			dst[i] = float32(src[i])
		}
	case Int8:
		for i := range dst {
			dst[i] = float32(int8(src[i]))
		}
	case Uint16:
		for i := range dst {
			dst[i] = float32(le.Uint16(src[2*i:]))
		}
	case Int32:
		for i := range dst {
			dst[i] = float32(int32(le.Uint32(src[4*i:])))
		}
	case Int64:
		for i := range dst {
			dst[i] = float32(int64(le.Uint64(src[8*i:])))
		}
	}
}
