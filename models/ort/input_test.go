package ort

import (
	"errors"
	"sync/atomic"
	"testing"
	"unsafe"

	onnx "github.com/yalue/onnxruntime_go"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/graph/graphtest"
)

// hostMover copies to memory of the CPU, as if that were a device.
type hostMover struct {
	streams, copies, waits atomic.Int32
	fails                  error
	// If hangs is set, NewStream sends to hung and returns once hangs is closed.
	hangs, hung chan bool
}

func (m *hostMover) NewStream() (unsafe.Pointer, error) {
	if m.hangs != nil {
		m.hung <- true
		<-m.hangs
	}
	m.streams.Add(1)
	return unsafe.Pointer(m), nil
}

func (m *hostMover) FreeStream(unsafe.Pointer) error {
	m.streams.Add(-1)
	return nil
}

func (m *hostMover) CopyIn(_ unsafe.Pointer, to, from []byte) error {
	m.copies.Add(1)
	copy(to, from)
	return m.fails
}

func (m *hostMover) Wait() error {
	m.waits.Add(1)
	return nil
}

// copyFirst makes an engine on the CPU copy its input before every run, as one on a GPU
// does.
func copyFirst(t testing.TB, e *Engine) *hostMover {
	t.Helper()
	m := &hostMover{}
	if err := e.openInputs("Cpu", 0, m); err != nil {
		t.Fatal(err)
	}
	e.rebind = true
	return m
}

// The input is copied and bound before every run, as for a GPU, here on the CPU.
func TestInputIsCopied(t *testing.T) {
	for _, o := range []graphtest.Options{{}, {Input: graphtest.FloatImage}, {Batch: 4}} {
		e := open(t, tiny(t, o), Options{Lanes: 1})
		c := &e.model.Contract
		b := newBatch(t, e, 4)
		for i := range 4 {
			fill(b, c, i, i)
		}
		if err := e.Score(t.Context(), b, 0, 4); err != nil {
			t.Fatal(err)
		}
		want := rows(b, c.Classes)
		clear(b.Scores)
		m := copyFirst(t, e)
		e.pads = true
		again := newBatch(t, e, 4)
		copy(again.Pixels, b.Pixels)
		for _, r := range []span{{0, 4}, {1, 3}} {
			clear(again.Scores)
			if err := e.Score(t.Context(), again, r.lo, r.hi); err != nil {
				t.Fatal(err)
			}
			for i, row := range rows(again, c.Classes) {
				if i >= r.lo && i < r.hi && !equalBits(row, want[i]) {
					t.Errorf("%+v, images %d to %d: row %d is %v, without a copy %v", o, r.lo, r.hi, i, row, want[i])
				}
			}
		}
		if m.copies.Load() != 2 || m.streams.Load() != 1 || len(e.inputs.idle) != 1 {
			t.Errorf("%+v: %d copies, %d streams, %d idle inputs; want 2, 1 and 1", o, m.copies.Load(), m.streams.Load(), len(e.inputs.idle))
		}
	}
}

// An input of another size replaces those of a size that is no longer used, and nothing is
// left when the engine is closed.
func TestInputsOfOtherSizes(t *testing.T) {
	e := open(t, tiny(t, graphtest.Options{}), Options{Lanes: 1})
	m := copyFirst(t, e)
	e.pads = true
	b := newBatch(t, e, 8)
	for _, size := range []int{8, 4, 4, 2} {
		b.Size = size
		if err := e.Score(t.Context(), b, 0, 8); err != nil {
			t.Fatal(err)
		}
		if len(e.inputs.idle) != 1 || e.inputs.idle[0].shape[0] != int64(size) || m.streams.Load() != 1 {
			t.Errorf("size %d: inputs %v, %d streams", size, e.inputs.idle, m.streams.Load())
		}
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	freeRetired()
	if n := m.streams.Load(); n != 0 {
		t.Errorf("%d streams are left", n)
	}
}

// A copy for which there is no memory is tried again like a run, and its input is returned.
func TestCopyFails(t *testing.T) {
	e := open(t, tiny(t, graphtest.Options{}), Options{Lanes: 1})
	m := copyFirst(t, e)
	m.fails = errors.New("CUDA failure 2: out of memory")
	b := newBatch(t, e, 2)
	if err := e.Score(t.Context(), b, 0, 2); !errors.Is(err, models.ErrOutOfMemory) {
		t.Errorf("got %v, want %v", err, models.ErrOutOfMemory)
	}
	if n := m.copies.Load(); n != 2 {
		t.Errorf("%d copies, want 2", n)
	}
	if len(e.inputs.idle) > 1 {
		t.Errorf("%d idle inputs, want at most 1", len(e.inputs.idle))
	}
}

// While the device allocates for one run, another one can return its input, and a third
// one take it.
func TestInputsWhileDeviceHangs(t *testing.T) {
	e := open(t, tiny(t, graphtest.Options{}), Options{Lanes: 2})
	m := copyFirst(t, e)
	take := func(n int64) *input {
		shape := imageShape(e.model.Contract.Preprocess, n)
		in, err := e.inputs.take(shape, onnx.TensorElementDataTypeUint8, int(shape.FlattenedSize()))
		if err != nil {
			t.Error(err)
		}
		return in
	}
	first := take(2)
	m.hangs, m.hung = make(chan bool), make(chan bool)
	done := make(chan *input)
	go func() { done <- take(1) }()
	<-m.hung
	e.inputs.put(first)
	if again := take(2); again != first {
		t.Error("the input that was returned is not used again")
	}
	e.inputs.put(first)
	close(m.hangs)
	e.inputs.put(<-done)
}
