package tiff

// #cgo CFLAGS: -std=c11 -O3 -Wall
// #cgo noescape bs_lzma_expand
// #cgo nocallback bs_lzma_expand
// #include "lzma.h"
import "C"

import "unsafe"

// longestMatch is how many bytes a match has at most.
const longestMatch = 273

// What C and Go share has the same layout.
var (
	_ [unsafe.Sizeof(lzmaModel{})]struct{}         = [C.sizeof_bs_lzma_model]struct{}{}
	_ [unsafe.Offsetof(lzmaModel{}.state)]struct{} = [unsafe.Offsetof(C.bs_lzma_model{}.state)]struct{}{}
	_ [unsafe.Sizeof(rangeDecoder{})]struct{}      = [C.sizeof_bs_range_decoder]struct{}{}
)

// expandFast is expand in C, for whose branch-free steps Go has no instructions.
func (m *lzmaModel) expandFast(z *lzmaStream, out []uint8, stop, most, begins int, offset uint32) (_ []uint8, ok bool) {
	if min(most, stop+longestMatch) > cap(out) { // C does not enlarge it
		return m.expand(z, out, stop, most, begins, offset)
	}
	n := int(C.bs_lzma_expand((*C.bs_lzma_model)(unsafe.Pointer(m)), (*C.bs_range_decoder)(unsafe.Pointer(&z.rc)),
		(*C.uint8_t)(unsafe.SliceData(z.src)), C.int64_t(len(z.src)), (*C.uint8_t)(unsafe.SliceData(out)), C.int64_t(len(out)),
		C.int64_t(stop), C.int64_t(most), C.int64_t(begins), C.uint32_t(offset)))
	if n < 0 {
		return out[:^n], false
	}
	return out[:n], true
}
