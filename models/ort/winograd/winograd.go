// Package winograd computes convolutions with fewer multiplications than the direct
// method, with the vector instructions of x86-64 processors.
package winograd

// #cgo CFLAGS: -std=c11 -O3 -Wall
// #cgo noescape wino_run
// #cgo nocallback wino_run
// #cgo noescape wino_new
// #cgo nocallback wino_new
// #include "winograd.h"
import "C"

import "unsafe"

// kernel is a wino of winograd.h for the tests, which cannot use cgo.
type kernel struct {
	is   Convolution
	wino *C.wino
}

// newKernel takes weights and bias as Set.Add does. isa is a set of vector
// instructions; 0 means the best one. It returns nil if the convolution or isa is
// not supported.
func newKernel(c Convolution, weights, bias []float32, isa int) *kernel {
	relu := 0
	if c.Relu {
		relu = 1
	}
	w := C.wino_new(floats(weights), floats(bias), C.int(c.Channels), C.int(c.Filters),
		C.int(c.Kernel[0]), C.int(c.Kernel[1]), C.int(relu), C.int(isa))
	if w == nil {
		return nil
	}
	return &kernel{c, w}
}

func (k *kernel) free() { C.wino_free(k.wino) }

// scratch returns the bytes of working memory that each run needs.
func (k *kernel) scratch() int { return int(C.wino_scratch(k.wino)) }

// run fills y [n][filters][height][width] from x [n][channels][h][w].
func (k *kernel) run(x []float32, n, h, w int, y []float32, scratch []byte) {
	var pads [4]C.int
	for i, pad := range k.is.Pads {
		pads[i] = C.int(pad)
	}
	C.wino_run(k.wino, floats(x), C.int(n), C.int(h), C.int(w), &pads[0], floats(y), unsafe.Pointer(unsafe.SliceData(scratch)))
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
