package ort

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"unsafe"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/ort/internal/lanes"
)

// Score scores images lo <= i < hi of the batch and fills their rows of b.Scores;
// it changes no other row. On a GPU it computes b.Size images at a time, whatever
// lo and hi are, and fills up with zeros. It waits for a lane. When ctx ends, it asks
// ONNX Runtime to terminate the run, waits until the run has returned, and returns
// ctx's error; the rows are then undefined. An error wrapping models.ErrOutOfMemory
// means that the images did not fit although no other run was under way; fewer images
// of a smaller b.Size may, unless it wraps models.ErrNothingFits. An error wrapping
// models.ErrDevice is one of the GPU.
func (e *Engine) Score(ctx context.Context, b *models.Batch, lo, hi int) error {
	own, ok := b.Engine.(*batch)
	if !ok || own.engine != e {
		return errors.New("the batch was made by another engine")
	}
	if lo < 0 || hi > own.capacity || lo >= hi {
		return fmt.Errorf("images %d to %d of a batch of %d", lo, hi, own.capacity)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	own.call = call{batch: own, lo: lo, hi: hi, size: e.fixedSize(own, b.Size)}
	n := cmp.Or(own.call.size, hi-lo)
	err := e.lanes.Run(ctx, n, &own.call)
	switch {
	case errors.Is(err, models.ErrOutOfMemory):
		if n <= e.lanes.Least {
			return e.nothingFits(err)
		}
	case errors.Is(err, lanes.ErrSmallest):
		return e.target.explainAs(models.ErrDevice, "", err)
	case e.rebind && isFault(err) && !errors.Is(err, models.ErrDevice):
		return fmt.Errorf("%w: %w", models.ErrDevice, err)
	}
	return err
}

// call is what a Score does once it has a lane.
type call struct {
	batch        *batch
	lo, hi, size int // size is that of fixedSize
}

func (c *call) Score(ctx context.Context) error {
	if c.size > 0 {
		return c.batch.scoreFixed(ctx, c.lo, c.hi, c.size)
	}
	return c.batch.score(ctx, c.lo, c.hi)
}

func (c *call) Reclaim() error {
	if c.size > 0 {
		return c.batch.engine.noteFault(c.batch.reclaimFixed(c.lo, c.size))
	}
	return c.batch.engine.noteFault(c.batch.reclaim(c.lo, c.hi))
}

// reclaim makes ONNX Runtime give back the memory that it keeps for later runs. Images
// lo <= i < hi are those with which a run could begin; nothing is scored.
func (b *batch) reclaim(lo, hi int) error {
	if err := b.engine.inputs.release(); err != nil {
		return err
	}
	w, err := b.window(lo, hi)
	if err != nil {
		return err
	}
	value, err := native(w.input, "ortValue")
	if err != nil {
		return err
	}
	e := b.engine
	var result unsafe.Pointer // the run ends before it needs memory for one that varies
	if w.outputs[0] != nil {
		if result, err = native(w.outputs[0], "ortValue"); err != nil {
			return err
		}
	}
	return e.api.shrink(e.native, e.target.arenas(), e.ports.input, value, e.ports.outputs[0].name, result)
}

// fixedSize returns how many images every call with a batch computes; 0 means those
// that are asked for. size is models.Batch.Size.
func (e *Engine) fixedSize(b *batch, size int) int {
	switch {
	case e.ports.batch > 0:
		return e.ports.batch
	case !e.pads:
		return 0
	case size > 0:
		return size
	}
	return b.capacity
}

// reclaimFixed does what reclaim does if runs have size images.
func (b *batch) reclaimFixed(lo, size int) error {
	if lo+size <= b.capacity {
		return b.reclaim(lo, lo+size)
	}
	spare, err := b.engine.takeSpare(size)
	if err != nil {
		return err
	}
	defer b.engine.returnSpare(spare)
	return spare.reclaim(0, size)
}

func (b *batch) score(ctx context.Context, lo, hi int) error {
	w, err := b.window(lo, hi)
	if err != nil {
		return fmt.Errorf("tensors over images %d to %d: %w", lo, hi, classify(b.engine.noteFault(err)))
	}
	b.convertPixels(lo, hi)
	if b.engine.ports.varying {
		if err := b.rebindVarying(w); err != nil {
			return fmt.Errorf("tensors over images %d to %d: %w", lo, hi, classify(b.engine.noteFault(err)))
		}
	}
	if e := b.engine; e.rebind {
		// CUDA has state for each thread, so one thread copies and runs.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		in, err := e.copyIn(b, w, lo, hi)
		if err != nil {
			return fmt.Errorf("copy images to %s, batch of %d: %w", e.device, hi-lo, classify(e.noteFault(err)))
		}
		defer e.inputs.put(in)
		w.run.value = in.value
	}
	b.watch.begin(ctx)
	err = b.engine.api.run(&w.run)
	b.watch.end()
	if err != nil && b.engine.rebind {
		// It may have left kernels behind that still use its memory.
		err = errors.Join(err, b.engine.inputs.mover.Wait())
	}
	err = b.engine.noteFault(err)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return fmt.Errorf("%s on %s, batch of %d: %w", b.engine.model.Path, b.engine.device, hi-lo, classify(err))
	}
	return b.collect(w, lo, hi)
}

// scoreFixed proceeds in steps of size images. The rest is filled up with zeros in
// separate memory, so that no row outside of the caller's range is written.
func (b *batch) scoreFixed(ctx context.Context, lo, hi, size int) error {
	for ; lo+size <= hi; lo += size {
		if err := b.score(ctx, lo, lo+size); err != nil {
			return err
		}
	}
	if lo == hi {
		return nil
	}
	padded, err := b.engine.takeSpare(size)
	if err != nil {
		return err
	}
	defer b.engine.returnSpare(padded)
	c := &b.engine.model.Contract
	row := c.Preprocess.RowBytes()
	n := copy(padded.pixels, b.pixels[lo*row:hi*row])
	clear(padded.pixels[n:])
	if err := padded.score(ctx, 0, size); err != nil {
		return err
	}
	width := b.engine.ports.width
	copy(b.scores[lo*width:hi*width], padded.scores)
	return nil
}

// takeSpare returns a batch of that size that nobody uses. As a call has a lane, there
// are at most as many spare batches as lanes. No lock is held while memory is allocated
// and freed, which may take long.
func (e *Engine) takeSpare(size int) (*batch, error) {
	b, others := e.pickSpare(size)
	if b != nil {
		return b, nil
	}
	var errs []error
	for _, b := range others {
		errs = append(errs, b.free())
	}
	if err := e.noteFault(errors.Join(errs...)); err != nil {
		return nil, err
	}
	b, err := e.newBatch(size, nil)
	if err != nil {
		return nil, fmt.Errorf("memory to fill up a batch of %d images: %w", size, err)
	}
	return b, nil
}

// pickSpare takes a spare batch of that size. If there is none, it takes all: they are of
// a size that is no longer used.
func (e *Engine) pickSpare(size int) (b *batch, others []*batch) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for i, b := range e.spare {
		if b.capacity == size {
			e.spare = slices.Delete(e.spare, i, i+1)
			return b, nil
		}
	}
	others, e.spare = e.spare, nil
	return nil, others
}

// makeSpare turns a batch that the caller no longer needs into a spare one.
func (e *Engine) makeSpare(b *models.Batch) {
	own := b.Engine.(*batch)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.batches = slices.DeleteFunc(e.batches, func(other *batch) bool { return other == own })
	e.spare = append(e.spare, own)
}

func (e *Engine) returnSpare(b *batch) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.spare = append(e.spare, b)
}
