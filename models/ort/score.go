package ort

import (
	"context"
	"errors"
	"fmt"

	"github.com/batchscore/batchscore/models"
)

// Score scores images lo <= i < hi of the batch and fills their rows of b.Scores;
// it changes no other row. It waits for a lane. When ctx ends, it asks ONNX Runtime
// to terminate the run, waits until the run has returned, and returns ctx's error;
// the rows are then undefined. An error wrapping models.ErrOutOfMemory means that the
// images did not fit although no other run was under way; fewer may, unless it wraps
// models.ErrNothingFits.
func (e *Engine) Score(ctx context.Context, b *models.Batch, lo, hi int) error {
	own, ok := b.Engine.(*batch)
	if !ok || own.engine != e {
		return errors.New("the batch was made by another engine")
	}
	if n := len(own.scores) / e.model.Contract.Classes; lo < 0 || hi > n || lo >= hi {
		return fmt.Errorf("images %d to %d of a batch of %d", lo, hi, n)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	n := hi - lo
	score := func() error { return own.score(ctx, lo, hi) }
	reclaim := func() error { return own.reclaim(lo, hi) }
	if fixed := e.ports.batch; fixed > 0 {
		n = fixed
		score = func() error { return own.scoreFixed(ctx, lo, hi) }
		reclaim = func() error { return own.padded.reclaim(0, fixed) }
	}
	err := e.lanes.Run(ctx, n, score, reclaim)
	if n <= e.lanes.Least && errors.Is(err, models.ErrOutOfMemory) {
		return e.nothingFits(err)
	}
	return err
}

// reclaim makes ONNX Runtime give back the memory that it keeps for later runs. Images
// lo <= i < hi are those with which a run could begin; nothing is scored.
func (b *batch) reclaim(lo, hi int) error {
	w, err := b.window(lo, hi)
	if err != nil {
		return err
	}
	value, err := native(w.input, "ortValue")
	if err != nil {
		return err
	}
	result, err := native(w.output, "ortValue")
	if err != nil {
		return err
	}
	e := b.engine
	return e.api.shrink(e.native, e.target.arenas(), e.ports.input, value, e.ports.output, result)
}

func (b *batch) score(ctx context.Context, lo, hi int) error {
	w, err := b.window(lo, hi)
	if err != nil {
		return fmt.Errorf("tensors over images %d to %d: %w", lo, hi, classify(err))
	}
	b.convertPixels(lo, hi)
	b.watch.begin(ctx)
	err = b.engine.api.run(&w.run)
	b.watch.end()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return fmt.Errorf("%s on %s, batch of %d: %w", b.engine.model.Path, b.engine.device, hi-lo, classify(err))
	}
	b.convertScores(lo, hi)
	return nil
}

// scoreFixed proceeds in steps of the only batch size that the model accepts. The
// rest is filled up with zeros in separate memory, so that no row outside of the
// caller's range is written.
func (b *batch) scoreFixed(ctx context.Context, lo, hi int) error {
	c := &b.engine.model.Contract
	fixed, row := b.engine.ports.batch, c.Preprocess.RowBytes()
	for ; lo+fixed <= hi; lo += fixed {
		if err := b.score(ctx, lo, lo+fixed); err != nil {
			return err
		}
	}
	if lo == hi {
		return nil
	}
	n := copy(b.padded.pixels, b.pixels[lo*row:hi*row])
	clear(b.padded.pixels[n:])
	if err := b.padded.score(ctx, 0, fixed); err != nil {
		return err
	}
	copy(b.scores[lo*c.Classes:hi*c.Classes], b.padded.scores)
	return nil
}
