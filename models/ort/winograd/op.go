package winograd

// #cgo LDFLAGS: -lpthread
// #include <stdlib.h>
// #include "op.h"
// #include "winograd.h"
import "C"

import (
	"errors"
	"fmt"
	"unsafe"
)

// The operator's names in a graph. It has one input, one output and the attribute
// Index, which identifies a convolution of a Set. The weights are in the Set; in the
// graph they would be in memory a second time.
const (
	Domain = C.OPS_DOMAIN
	Name   = C.OPS_NAME
	Index  = "index"
)

// Convolution has strides and dilations of 1, and one group.
type Convolution struct {
	Channels, Filters int
	// Kernel is height and width; Pads are top, left, bottom, right.
	Kernel [2]int
	Pads   [4]int
	// Height and Width are those of the output.
	Height, Width int
	// Relu makes negative results 0.
	Relu bool
}

// Usable reports whether this processor has the vector instructions.
func Usable() bool { return C.wino_usable() != 0 }

// Gains reports whether the operator is expected to be faster than ONNX Runtime's
// own. The answer depends on the kind of processor and not on measurements.
func (c Convolution) Gains() bool {
	return Usable() && C.wino_gains(C.int(c.Kernel[0]), C.int(c.Kernel[1]), C.int(c.Channels), C.int(c.Filters),
		C.int(c.Height), C.int(c.Width)) != 0
}

// Set is the convolutions of one session. Only one goroutine may use it until the
// session exists.
type Set struct{ ops *C.ops }

// NewSet returns an empty set. api is ONNX Runtime's OrtApi.
func NewSet(api unsafe.Pointer) (*Set, error) {
	ops := C.ops_new(api)
	if ops == nil {
		return nil, errors.New("no memory for the convolutions of a session")
	}
	return &Set{ops}, nil
}

// Add adds a convolution with weights [Filters,Channels,height,width] and a bias for
// each filter, which may be nil, and returns its index. It copies both.
func (s *Set) Add(c Convolution, weights, bias []float32) (int, error) {
	if n := c.Filters * c.Channels * c.Kernel[0] * c.Kernel[1]; len(weights) != n || bias != nil && len(bias) != c.Filters {
		return 0, fmt.Errorf("%d weights and a bias of %d for %d filters, want %d", len(weights), len(bias), c.Filters, n)
	}
	is := C.ops_convolution{channels: C.int(c.Channels), filters: C.int(c.Filters)}
	for i, n := range c.Kernel {
		is.kernel[i] = C.int(n)
	}
	for i, n := range c.Pads {
		is.pads[i] = C.int(n)
	}
	if c.Relu {
		is.relu = 1
	}
	index := C.ops_add(s.ops, &is, (*C.float)(unsafe.SliceData(weights)), (*C.float)(unsafe.SliceData(bias)))
	if index < 0 {
		return 0, fmt.Errorf("no memory for a convolution of %d x %d x %v weights", c.Filters, c.Channels, c.Kernel)
	}
	return int(index), nil
}

// Register adds the operator to ONNX Runtime's session options.
func (s *Set) Register(options unsafe.Pointer) error {
	message := C.ops_register(s.ops, options)
	if message == nil {
		return nil
	}
	defer C.free(unsafe.Pointer(message))
	return errors.New(C.GoString(message))
}

// Len returns the number of convolutions.
func (s *Set) Len() int { return int(C.ops_count(s.ops)) }

// Free frees the set. It must be called after the end of the session.
func (s *Set) Free() {
	C.ops_free(s.ops)
	s.ops = nil
}
