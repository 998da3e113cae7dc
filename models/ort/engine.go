package ort

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"sync"
	"unsafe"

	"github.com/rs/zerolog"
	onnx "github.com/yalue/onnxruntime_go"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/device"
	"github.com/batchscore/batchscore/models/ort/internal/cuda"
	"github.com/batchscore/batchscore/models/ort/internal/lanes"
	"github.com/batchscore/batchscore/models/ort/internal/signals"
	"github.com/batchscore/batchscore/models/ort/winograd"
	"github.com/batchscore/batchscore/scorer/telemetry/event"
)

// Engine is a model in ONNX Runtime, ready to score. It is safe for use by any
// number of goroutines, until Close.
type Engine struct {
	api     capi
	model   *models.Model
	device  string
	target  target
	library string // ONNX Runtime's, as it was found
	version string
	session *onnx.DynamicAdvancedSession
	native  unsafe.Pointer
	ports   ports
	rebind  bool // the input is copied to inputs before every run
	pads    bool // every call computes the Size of its batch
	lanes   *lanes.Lanes
	memory  hostMemory
	inputs  *inputs // on the GPU; nil on the CPU
	// replaced are the convolutions that ONNX Runtime does not compute; nil if none.
	replaced *winograd.Set
	mu       sync.Mutex
	batches  []*batch
	spare    []*batch // to fill up incomplete batches in; not in use
	released bool
}

// Open loads the model into a session on the requested provider, compares it with
// its contract and scores one probe batch. Errors wrap models.ErrModel for a model
// that cannot be used as its contract says, models.ErrProvider for a library,
// provider or device that is not available, or models.ErrOutOfMemory. With Auto, a GPU
// that cannot be used is a warning, and the CPU is used.
func Open(m *models.Model, opt Options) (*Engine, error) {
	e, on, err := openOn(m, opt)
	if on.provider == CUDA && opt.Provider != CUDA && errors.Is(err, models.ErrProvider) {
		event.GPUUnusable.On(opt.Logger).Err(err).Msg("scoring on the CPU: there is a GPU, but it cannot be used")
		opt.Provider = CPU
		e, _, err = openOn(m, opt)
	}
	return e, err
}

// openOn does what Open does, and returns what it chose to run the model on.
func openOn(m *models.Model, opt Options) (_ *Engine, on target, err error) {
	library, err := libraryFor(opt)
	if err != nil {
		return nil, on, err
	}
	tf32 := opt.TF32
	arithmetic, err := opt.setArithmetic(m)
	if err != nil {
		return nil, on, err
	}
	l, err := acquire(library)
	if err != nil {
		return nil, on, err
	}
	e := &Engine{api: l.api, model: m, version: l.version}
	defer func() {
		if err != nil {
			err = errors.Join(err, e.Close())
		}
	}()
	target, err := choose(opt, library)
	if err == nil && tf32 && target.provider == CPU {
		err = errNoTF32
	}
	if target.provider == CPU {
		if err := device.Unbind(); err != nil { // all cores compute
			return nil, target, err
		}
	}
	target.arithmetic = arithmetic
	if err != nil {
		return nil, target, err
	}
	e.device, e.rebind = target.String(), target.provider != CPU
	e.pads = e.rebind
	e.target, e.library = target, library
	e.lanes = lanes.New(opt.lanes(target.provider), func(n int) {
		event.LanesReduced.On(opt.Logger).Str("device", e.device).Int("batch", n).Int("lanes", 1).
			Msg("device short of memory: batches of this size run one at a time")
	})

	if _, err := os.Stat(m.Path); err != nil {
		return nil, target, fmt.Errorf("%w: %w", models.ErrModel, err)
	}
	start := func() error {
		if e.rebind {
			if err := cuda.Block(target.index); err != nil { // it only costs time
				event.ThreadsUnknown.On(opt.Logger).Err(err).Msg("the driver does not let threads sleep that wait for the GPU")
			}
		}
		s := settingsFor(target.provider, target.index, opt)
		if m.External && target.provider == CPU {
			s.shareWeights()
		}
		if !m.PlainPools {
			s.keepPads()
		}
		if target.provider == CPU && int8Saturates && !opt.Saturate {
			s.keepInt8Exact()
			if m.Int8 {
				e.device += "/" + preciseInt8
			}
		}
		var graph []byte
		if target.provider == CPU && !target.direct {
			if graph, err = e.replaceConvolutions(); err != nil {
				return target.explain(m.Path, plain(err, e.version))
			}
		}
		err := e.createSession(s, graph)
		if err = errors.Join(err, unmap(graph)); err != nil {
			return target.explain(m.Path, plain(e.findFault(err), e.version))
		}
		trim()
		if err := e.checkPlacement(target.provider, opt); err != nil {
			return err
		}
		if e.rebind && tf32 {
			e.checkTF32(opt.Logger)
			target = e.target
		}
		if e.rebind {
			checkWaiting(target.index, opt.Logger)
			e.memory.lock(e, pageLocked, target.index, opt.Logger)
			if err := e.openGPU(); err != nil {
				return target.explain(m.Path, e.findFault(err))
			}
		}
		if opt.Batch == 1 && e.ports.batch == 0 {
			e.ports.batch = 1
		}
		if err := e.checkMemory(opt.Batch); err != nil {
			return err
		}
		e.lanes.Least, e.lanes.Planned = max(e.ports.batch, 1), e.pads
		return e.explainMixing(e.probe(cmp.Or(opt.Batch, e.DefaultBatch())))
	}
	if e.rebind {
		freeRetired()
		err = signals.Keep(opt.Logger, start)
	} else {
		err = start()
	}
	if err != nil {
		return nil, target, err
	}
	return e, target, nil
}

// checkWaiting warns if threads that wait for a GPU do not sleep. The process uses the GPU.
func checkWaiting(device int, log zerolog.Logger) {
	switch blocks, err := cuda.Blocks(device); {
	case err != nil:
		event.ThreadsUnknown.On(log).Err(err).Msg("the driver does not say how threads wait for the GPU")
	case !blocks:
		event.ThreadsPoll.On(log).Msg("threads that wait for the GPU poll, which takes time of the processor from the decoders")
	}
}

// createSession loads the model, or graph if that is not nil. It does not keep
// graph.
func (e *Engine) createSession(s settings, graph []byte) error {
	o, err := s.sessionOptions()
	if err != nil {
		return &providerError{err}
	}
	defer func() { _ = o.Destroy() }()
	// The ports are bound by name, so the session needs no names.
	if graph == nil {
		e.session, err = onnx.NewDynamicAdvancedSession(e.model.Path, nil, nil, o)
	} else {
		err = e.createFrom(graph, o)
	}
	if err != nil {
		return err
	}
	if e.native, err = native(e.session, "s", "ortSession"); err != nil {
		return err
	}
	inputs, outputs, err := e.api.ports(e.native)
	if err != nil {
		return err
	}
	if e.ports, err = match(e.model, inputs, outputs); err != nil {
		return fmt.Errorf("%w: %s: %w", models.ErrModel, e.model.Path, err)
	}
	return nil
}

// Device returns the provider, the GPU, and any arithmetic of it that differs from the
// graph's: "cpu", "cpu/winograd", "cpu/int8-precise", "cuda:0",
// "cuda:1/fp16", "cuda:0/tf32".
func (e *Engine) Device() string { return e.device }

// GPU returns the number that CUDA gives the engine's GPU in this process, and the
// folders of ONNX Runtime's library, next to which copies of NVIDIA's libraries may lie.
// ok is false if the engine computes on the CPU.
func (e *Engine) GPU() (index int, folders []string, ok bool) {
	if e.target.provider == CPU {
		return 0, nil, false
	}
	return e.target.index, homes(e.library), true
}

// Version returns ONNX Runtime's release.
func (e *Engine) Version() string { return e.version }

// Lanes returns how many Score calls run at the same time; further ones wait.
func (e *Engine) Lanes() int { return e.lanes.Count() }

// DefaultBatch returns the batch size that suits the engine's provider.
func (e *Engine) DefaultBatch() int {
	if e.rebind {
		return DefaultBatch(CUDA)
	}
	return DefaultBatch(CPU)
}

// Close frees the session and the memory of every batch. No Batch of this engine
// may be used afterwards, and no Score may be running. Further calls do nothing.
//
// On a GPU they are freed when the next engine is opened on one, or by the driver when
// the process ends: the destructors of ONNX Runtime end the process if a call of CUDA
// fails in them, and there may be a fault that no call has met yet.
func (e *Engine) Close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.released {
		return nil
	}
	e.released = true
	if e.rebind && e.session != nil {
		for _, b := range e.batches {
			b.watch.stop()
		}
		retire(e)
		return nil
	}
	return e.free()
}

// free frees what the engine holds. On a GPU it stops at an error, and leaves the rest
// to the end of the process.
func (e *Engine) free() error {
	var errs []error
	for _, b := range append(e.batches, e.spare...) {
		errs = append(errs, e.noteFault(b.free()))
	}
	e.batches, e.spare = nil, nil
	errs = append(errs, e.noteFault(e.inputs.close()))
	e.memory.close()
	if e.rebind && !gpuBroken.Load() { // there may be a fault that no call has met yet
		errs = append(errs, e.lastingFault())
	}
	if err := errors.Join(errs...); gpuBroken.Load() || e.rebind && err != nil {
		return err
	}
	if e.session != nil {
		errs = append(errs, e.session.Destroy())
	}
	if e.replaced != nil {
		e.replaced.Free()
	}
	errs = append(errs, release())
	return errors.Join(errs...)
}

// retired are the engines on GPUs that were closed and not freed yet.
var retired struct {
	sync.Mutex
	engines []*Engine
}

func retire(e *Engine) {
	retired.Lock()
	defer retired.Unlock()
	retired.engines = append(retired.engines, e)
}

// freeRetired frees them, unless CUDA is unusable.
func freeRetired() {
	retired.Lock()
	defer retired.Unlock()
	for _, e := range retired.engines {
		if !gpuBroken.Load() {
			_ = e.free() // what it does not free, the end of the process does
		}
	}
	retired.engines = nil
}
