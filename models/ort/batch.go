package ort

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"unsafe"

	onnx "github.com/yalue/onnxruntime_go"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/preprocess"
)

// batch is the engine's side of a models.Batch.
type batch struct {
	engine   *Engine
	capacity int
	memory   []byte // pixels, then scores
	pixels   []byte
	scores   []float32
	// options carry the terminate flag of the one run at a time.
	options *onnx.RunOptions
	watch   watcher
	windows map[span]*window
	stage   stage
	call    call // the one under way
}

// span is the range of images lo <= i < hi.
type span struct{ lo, hi int }

// window is the tensors over one span of a batch's memory, and their binding.
type window struct {
	input       onnx.Value
	outputs     []onnx.Value // nil for one that varies
	outputNames []cName
	shape       onnx.Shape // of the input, on a GPU
	binding     *onnx.IoBinding
	name        cName
	run         bound
}

// NewBatch allocates the memory of a batch of at most capacity images, zeroed.
// It is outside the Go heap and valid until Close.
func (e *Engine) NewBatch(capacity int) (*models.Batch, error) {
	if capacity < 1 {
		return nil, fmt.Errorf("a batch of %d images; it must have at least 1", capacity)
	}
	return e.addBatch(capacity, nil)
}

// NewBatchOver is NewBatch over the pixels of another engine's batch of that capacity,
// whose model takes the same. The other engine must be closed after this one, or the batch
// not be used any more.
func (e *Engine) NewBatchOver(pixels []byte, capacity int) (*models.Batch, error) {
	if want := capacity * e.model.Contract.Preprocess.RowBytes(); len(pixels) != want || capacity < 1 {
		return nil, fmt.Errorf("%d bytes of pixels for a batch of %d images; they have %d", len(pixels), capacity, want)
	}
	return e.addBatch(capacity, pixels)
}

func (e *Engine) addBatch(capacity int, pixels []byte) (*models.Batch, error) {
	b, err := e.newBatch(capacity, pixels)
	switch {
	case errors.Is(err, models.ErrHostMemory):
		return nil, fmt.Errorf("memory for a batch of %d images: %w; choose a smaller batch (--batch)", capacity, err)
	case err != nil:
		return nil, fmt.Errorf("memory for a batch of %d images: %w", capacity, err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.released {
		return nil, errors.Join(errors.New("the engine is closed"), b.free())
	}
	e.batches = append(e.batches, b)
	return &models.Batch{Pixels: b.pixels, Scores: b.scores, Engine: b}, nil
}

// checkMemory returns the error of a batch of that size which the machine's memory cannot
// hold, before a job is begun with it. On a GPU the probe batch has that size.
func (e *Engine) checkMemory(batch int) error {
	if batch < 1 || e.pads {
		return nil
	}
	b, err := e.NewBatch(batch)
	if err != nil {
		return err
	}
	return e.drop(b)
}

// drop frees a batch that NewBatch has returned.
func (e *Engine) drop(b *models.Batch) error {
	own := b.Engine.(*batch)
	e.mu.Lock()
	e.batches = slices.DeleteFunc(e.batches, func(other *batch) bool { return other == own })
	e.mu.Unlock()
	return own.free()
}

// newBatch allocates a batch over the given pixels, or over memory of its own if they are
// nil.
func (e *Engine) newBatch(capacity int, shared []byte) (_ *batch, err error) {
	c, numbers := &e.model.Contract, e.ports.width
	// The scores start on a page of their own.
	page := os.Getpagesize()
	if capacity > (math.MaxInt-page)/(c.Preprocess.RowBytes()+numbers*4) {
		return nil, fmt.Errorf("%w: more than can be addressed", models.ErrHostMemory)
	}
	pixels := capacity * c.Preprocess.RowBytes()
	if shared != nil {
		pixels = 0
	}
	start := (pixels + page - 1) / page * page
	b := &batch{engine: e, capacity: capacity, windows: map[span]*window{}}
	if b.memory, err = e.memory.get(start + capacity*numbers*4); err != nil {
		return nil, e.noMemory(err)
	}
	if b.pixels = shared; shared == nil {
		b.pixels = b.memory[:pixels:pixels]
	}
	b.scores = unsafe.Slice((*float32)(unsafe.Pointer(&b.memory[start])), capacity*numbers)
	if b.stage, err = e.newStage(capacity); err != nil {
		return nil, errors.Join(e.noMemory(err), b.free())
	}
	if b.options, err = onnx.NewRunOptions(); err != nil {
		return nil, errors.Join(err, b.free())
	}
	b.watch.start(b.options)
	return b, nil
}

func (b *batch) free() error {
	var errs []error
	b.watch.stop()
	for _, w := range b.windows {
		errs = append(errs, w.free())
	}
	b.windows = nil
	if b.options != nil {
		errs = append(errs, b.options.Destroy())
	}
	b.pixels, b.scores = nil, nil
	if b.stage.memory != nil {
		errs = append(errs, b.engine.memory.put(b.stage.memory))
		b.stage = stage{}
	}
	return errors.Join(append(errs, b.engine.memory.put(b.memory))...)
}

// window returns the tensors over a span, which it creates the first time.
func (b *batch) window(lo, hi int) (*window, error) {
	at := span{lo, hi}
	if w := b.windows[at]; w != nil {
		return w, nil
	}
	w, err := b.newWindow(lo, hi)
	if err != nil {
		return nil, err
	}
	b.windows[at] = w
	return w, nil
}

func (b *batch) newWindow(lo, hi int) (_ *window, err error) {
	e := b.engine
	w := &window{}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.free())
		}
	}()
	if w.input, err = b.input(lo, hi); err != nil {
		return nil, err
	}
	if w.binding, err = e.session.CreateIoBinding(); err != nil {
		return nil, err
	}
	w.run.session = e.native
	if w.run.options, err = native(b.options, "o"); err != nil {
		return nil, err
	}
	if w.run.binding, err = native(w.binding, "o"); err != nil {
		return nil, err
	}
	if err = b.bindOutputs(w, lo, hi); err != nil {
		return nil, err
	}
	if e.rebind {
		w.name = newCName(e.ports.input)
		w.run.input = w.name.c // and its value with every run
		w.shape = imageShape(e.model.Contract.Preprocess, int64(hi-lo))
		return w, nil
	}
	return w, w.binding.BindInput(e.ports.input, w.input)
}

func (w *window) free() error {
	var errs []error
	if w.binding != nil {
		errs = append(errs, w.binding.Destroy())
	}
	if w.input != nil {
		errs = append(errs, w.input.Destroy())
	}
	for _, v := range w.outputs {
		if v != nil {
			errs = append(errs, v.Destroy())
		}
	}
	for i := range w.outputNames {
		w.outputNames[i].free()
	}
	w.name.free()
	return errors.Join(errs...)
}

// imageShape returns the shape of n images in the order of the layout.
func imageShape(s preprocess.Spec, n int64) onnx.Shape {
	if s.Layout == preprocess.CHW {
		return onnx.NewShape(n, int64(s.Channels()), int64(s.Height), int64(s.Width))
	}
	return onnx.NewShape(n, int64(s.Height), int64(s.Width), int64(s.Channels()))
}

func inputTensor(s preprocess.Spec, n int64, pixels []byte) (onnx.Value, error) {
	if s.DType == preprocess.Float32 {
		return onnx.NewTensor(imageShape(s, n), floats(pixels))
	}
	return onnx.NewTensor(imageShape(s, n), pixels)
}

// floats returns the same memory as float32. It must be aligned for them.
func floats(b []byte) []float32 {
	return unsafe.Slice((*float32)(unsafe.Pointer(unsafe.SliceData(b))), len(b)/4)
}

// watcher sets the terminate flag of a run when the run's context ends. It has one
// goroutine for the life of a batch, because a new one for every run, or
// context.AfterFunc, would allocate.
type watcher struct {
	runs    chan context.Context
	ended   chan struct{}
	stopped chan struct{}
}

func (w *watcher) start(options *onnx.RunOptions) {
	w.runs, w.ended, w.stopped = make(chan context.Context), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(w.stopped)
		for ctx := range w.runs {
			select {
			case <-w.ended:
			case <-ctx.Done():
				// Both fail for destroyed options only, and stop is called before that.
				_ = options.Terminate()
				<-w.ended
				_ = options.UnsetTerminate()
			}
		}
	}()
}

// begin must be called before a run. It waits until the last run's flag is cleared.
func (w *watcher) begin(ctx context.Context) { w.runs <- ctx }

// end must be called after the run has returned.
func (w *watcher) end() { w.ended <- struct{}{} }

func (w *watcher) stop() {
	if w.runs != nil {
		close(w.runs)
		<-w.stopped
		w.runs = nil
	}
}
