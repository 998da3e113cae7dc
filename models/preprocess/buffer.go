package preprocess

// #include <stdlib.h>
import "C"

import "unsafe"

const (
	// A buffer that grew beyond largeBuffer bytes, or beyond what the memory budget
	// lets a decoder keep, is freed at once after use.
	largeBuffer = 64 << 20
	// A smaller one is freed if none of the last bufferWindow uses needed half of
	// it.
	bufferWindow = 64
)

// A buffer is C memory that is reused from image to image and shrinks again after an
// unusually large one. A call of need loses its content.
type buffer[T int8 | int16 | int32 | uint8 | float32 | float64] struct {
	p    unsafe.Pointer
	size int // bytes allocated
	most int // bytes needed at most in the current window of uses
	uses int
}

// need returns n elements of undefined content.
func (b *buffer[T]) need(n int) []T {
	var zero T
	bytes := max(n, 1) * int(unsafe.Sizeof(zero))
	b.uses++
	b.most = max(b.most, bytes)
	if b.uses >= bufferWindow {
		if b.size > 2*b.most {
			b.free()
		}
		b.uses, b.most = 0, bytes
	}
	if bytes > b.size {
		b.free()
		// C.malloc never returns nil: the process ends when memory does.
		b.p = C.malloc(C.size_t(bytes))
		b.size = bytes
	}
	return unsafe.Slice((*T)(b.p), n)
}

// settle frees what is larger than keep bytes, or too large to be kept between images.
func (b *buffer[T]) settle(keep int64) {
	if int64(b.size) > min(keep, largeBuffer) {
		b.free()
	}
}

func (b *buffer[T]) pointer() unsafe.Pointer { return b.p }

func (b *buffer[T]) free() {
	C.free(b.p)
	b.p, b.size = nil, 0
}
