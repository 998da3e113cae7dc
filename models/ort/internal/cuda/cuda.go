// Package cuda calls CUDA where ONNX Runtime offers no function for it. It links
// nothing: it uses the libraries that ONNX Runtime's CUDA provider has loaded.
package cuda

// #cgo CFLAGS: -D_GNU_SOURCE
// #cgo LDFLAGS: -ldl
// #cgo nocallback cuda_copy_in
// #cgo noescape cuda_copy_in
// #include <stdlib.h>
// #include "cuda.h"
import "C"

import (
	"errors"
	"unsafe"
)

// Runtime is CUDA's run-time library for one GPU.
type Runtime struct {
	functions C.cuda_runtime
	device    C.int
}

// Open returns the run-time library that a provider of ONNX Runtime uses, which is
// loaded from that path and stays so for as long as the Runtime is used. device is the
// number of the GPU among those that CUDA shows this process.
func Open(provider string, device int) (*Runtime, error) {
	path := C.CString(provider)
	defer C.free(unsafe.Pointer(path))
	r := &Runtime{device: C.int(device)}
	if err := toError(C.cuda_open(path, &r.functions)); err != nil {
		return nil, err
	}
	return r, nil
}

// NewStream returns a stream that is in order with no other stream of the GPU. The
// caller frees it.
func (r *Runtime) NewStream() (stream unsafe.Pointer, err error) {
	err = toError(C.cuda_create_stream(&r.functions, r.device, &stream))
	return stream, err
}

// FreeStream frees a stream.
func (r *Runtime) FreeStream(stream unsafe.Pointer) error {
	return toError(C.cuda_destroy_stream(&r.functions, r.device, stream))
}

// CopyIn copies page-locked memory, which is not of the Go heap, to memory of the GPU. It
// returns when the copy is complete, and waits for nothing else that the GPU does.
// to has at least the length of from.
func (r *Runtime) CopyIn(stream unsafe.Pointer, to, from []byte) error {
	return toError(C.cuda_copy_in(&r.functions, r.device, stream, unsafe.Pointer(unsafe.SliceData(to)),
		unsafe.Pointer(unsafe.SliceData(from)), C.size_t(len(from))))
}

// Wait returns when the GPU has done everything that this process has asked of it.
func (r *Runtime) Wait() error { return toError(C.cuda_wait(&r.functions, r.device)) }

// Memory returns how much memory of the GPU is free, and how much it has, in bytes.
func (r *Runtime) Memory() (free, total int64, err error) {
	var f, t C.size_t
	err = toError(C.cuda_memory(&r.functions, r.device, &f, &t))
	return int64(f), int64(t), err
}

// Block makes threads that wait for a GPU sleep. CUDA's default is that they poll, on
// cores that could decode images. It must be called before the process uses the GPU.
func Block(device int) error { return toError(C.cuda_block(C.int(device))) }

// Blocks reports whether threads that wait for a GPU sleep.
func Blocks(device int) (bool, error) {
	var blocks C.int
	err := toError(C.cuda_blocks(C.int(device), &blocks))
	return blocks != 0, err
}

// toError turns a message of cuda.c into an error and frees the message.
func toError(message *C.char) error {
	if message == nil {
		return nil
	}
	defer C.free(unsafe.Pointer(message))
	return errors.New(C.GoString(message))
}
