// Package winograd computes convolutions with fewer multiplications than the
// direct way, on the vector instructions of x86-64 processors.
package winograd

// #cgo CFLAGS: -std=c11 -O3 -Wall
// #cgo noescape wino_run
// #cgo nocallback wino_run
// #cgo noescape wino_new
// #cgo nocallback wino_new
// #include "winograd.h"
import "C"

import "unsafe"

// shape is a convolution without its weights.
type shape struct {
	channels, filters int
	kernel            [2]int // height, width
	relu              bool
}

// gains tells whether the convolution is expected to be clearly faster than a
// direct one, where its output has this size.
func (s shape) gains(height, width int) bool {
	return C.wino_gains(C.int(s.kernel[0]), C.int(s.kernel[1]), C.int(s.channels), C.int(s.filters),
		C.int(height), C.int(width)) != 0
}

// A kernel is a wino of winograd.h. It is freed with free.
type kernel struct {
	shape
	wino *C.wino
}

// newKernel takes weights [filters][channels][height][width] and a bias for
// each filter, or nil. It returns nil where isa (0 is the best there is) or the
// shape cannot be had.
func newKernel(s shape, weights, bias []float32, isa int) *kernel {
	relu := 0
	if s.relu {
		relu = 1
	}
	w := C.wino_new(floats(weights), floats(bias), C.int(s.channels), C.int(s.filters),
		C.int(s.kernel[0]), C.int(s.kernel[1]), C.int(relu), C.int(isa))
	if w == nil {
		return nil
	}
	return &kernel{s, w}
}

func (k *kernel) free() { C.wino_free(k.wino) }

// scratch is the bytes of working memory that each run needs.
func (k *kernel) scratch() int { return int(C.wino_scratch(k.wino)) }

// run fills y [n][filters][height][width] from x [n][channels][h][w]; pads are
// top, left, bottom and right.
func (k *kernel) run(x []float32, n, h, w int, pads [4]int, y []float32, scratch []byte) {
	var p [4]C.int
	for i, pad := range pads {
		p[i] = C.int(pad)
	}
	C.wino_run(k.wino, floats(x), C.int(n), C.int(h), C.int(w), &p[0], floats(y), unsafe.Pointer(unsafe.SliceData(scratch)))
}

func floats(s []float32) *C.float { return (*C.float)(unsafe.SliceData(s)) }

// usable lists the sets of vector instructions that this processor has.
func usable() []int {
	var all []int
	for isa := C.WINO_AVX2; isa <= int(C.wino_usable()); isa++ {
		all = append(all, isa)
	}
	return all
}
