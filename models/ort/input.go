package ort

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"unsafe"

	onnx "github.com/yalue/onnxruntime_go"

	"github.com/batchscore/batchscore/models/ort/internal/cuda"
)

// inputs are the memory on a GPU to which the pixels of a batch are copied before each
// run. A run takes one and returns it, so there are as many as lanes. The copy is on a
// stream of its own: while one lane waits for it, the GPU computes the batch of another.
//
// ONNX Runtime copies a bound input in the same way, but it then offers only to wait for
// everything that the GPU does, the other lanes' batches included.
type inputs struct {
	api       capi
	allocator allocator // of the session, for the memory of the device
	where     string    // ONNX Runtime's name of the device
	index     int       // its number
	mover     mover

	mu   sync.Mutex
	idle []*input
}

// mover copies to the memory of a device.
type mover interface {
	NewStream() (unsafe.Pointer, error)
	FreeStream(stream unsafe.Pointer) error
	// CopyIn returns when the copy is complete, and waits for nothing else.
	CopyIn(stream unsafe.Pointer, to, from []byte) error
	// Wait returns when the device has done everything that was asked of it.
	Wait() error
}

// input is the memory of one batch, the tensor over it, and the stream of its copies.
type input struct {
	memory []byte // of the device, not to be read here
	shape  onnx.Shape
	value  unsafe.Pointer
	stream unsafe.Pointer
}

// cudaMemory is ONNX Runtime's name for a GPU's own memory.
const cudaMemory = "Cuda"

// openInputs prepares inputs on a device that ONNX Runtime calls by that name and number.
func (e *Engine) openInputs(where string, index int, m mover) error {
	a, err := e.api.allocator(e.native, where, index, ownMemory)
	if err != nil {
		return fmt.Errorf("no allocator for the memory of %s:%d: %w", where, index, err)
	}
	e.inputs = &inputs{api: e.api, allocator: a, where: where, index: index, mover: m}
	return nil
}

// openGPU prepares inputs on the engine's GPU.
func (e *Engine) openGPU() error {
	r, err := cuda.Open(providerFile(e.library, CUDA), e.target.index)
	if err != nil {
		return err
	}
	return e.openInputs(cudaMemory, e.target.index, r)
}

// copyIn copies images lo <= i < hi of a batch, as the model takes them, to an input.
func (e *Engine) copyIn(b *batch, w *window, lo, hi int) (*input, error) {
	from, dtype := b.inputBytes(lo, hi)
	in, err := e.inputs.take(w.shape, dtype, len(from))
	if err != nil {
		return nil, err
	}
	if err := e.inputs.mover.CopyIn(in.stream, in.memory, from); err != nil {
		e.inputs.put(in)
		return nil, err
	}
	return in, nil
}

// take returns an input of that shape and type, with size bytes. No lock is held while the
// device allocates and frees, which may take long.
func (p *inputs) take(shape onnx.Shape, dtype onnx.TensorElementDataType, size int) (*input, error) {
	in, others := p.pick(shape)
	if in != nil {
		return in, nil
	}
	if err := p.clear(others); err != nil {
		return nil, err
	}
	in = &input{shape: shape}
	var err error
	if in.memory, err = p.api.alloc(p.allocator, size); err != nil {
		return nil, err
	}
	if in.value, err = p.api.tensor(p.where, p.index, in.memory, shape, int(dtype)); err == nil {
		in.stream, err = p.mover.NewStream()
	}
	if err != nil {
		return nil, errors.Join(err, p.free(in))
	}
	return in, nil
}

// pick takes an idle input of that shape. If there is none, it takes all: they are of a
// size that is no longer used.
func (p *inputs) pick(shape onnx.Shape) (in *input, others []*input) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, in := range p.idle {
		if slices.Equal(in.shape, shape) {
			p.idle = slices.Delete(p.idle, i, i+1)
			return in, nil
		}
	}
	others, p.idle = p.idle, nil
	return nil, others
}

func (p *inputs) put(in *input) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.idle = append(p.idle, in)
}

// release frees the memory that no run uses.
func (p *inputs) release() error {
	if p == nil {
		return nil
	}
	_, others := p.pick(nil)
	return p.clear(others)
}

func (p *inputs) clear(all []*input) error {
	var errs []error
	for _, in := range all {
		errs = append(errs, p.free(in))
	}
	return errors.Join(errs...)
}

func (p *inputs) free(in *input) error {
	var err error
	if in.stream != nil {
		err = p.mover.FreeStream(in.stream)
	}
	if in.value != nil {
		p.api.releaseValue(in.value)
	}
	return errors.Join(err, p.api.free(p.allocator, in.memory))
}

// close must be called when no run is under way, before the session is destroyed.
func (p *inputs) close() error {
	if p == nil {
		return nil
	}
	err := p.release()
	p.api.releaseAllocator(p.allocator)
	return err
}
