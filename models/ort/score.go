package ort

import (
	"context"
	"errors"
	"fmt"

	"github.com/batchscore/batchscore/models"
)

// Score runs images lo <= i < hi of the batch and fills their rows of
// b.Scores; no other row is touched. It waits for a lane. When ctx ends it has
// ONNX Runtime terminate the run, waits until that has come back, and returns
// ctx's error; the rows are then undefined. An error wrapping
// models.ErrOutOfMemory may be tried again with fewer images.
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
	select {
	case e.slots <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-e.slots }()

	if e.ports.batch > 0 {
		return own.scoreFixed(ctx, lo, hi)
	}
	return own.score(ctx, lo, hi)
}

func (b *batch) score(ctx context.Context, lo, hi int) error {
	w, err := b.window(lo, hi)
	if err != nil {
		return fmt.Errorf("tensors over images %d to %d: %w", lo, hi, classify(err))
	}
	b.put(lo, hi)
	b.watch.begin(ctx)
	err = b.engine.api.run(&w.run)
	b.watch.end()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return fmt.Errorf("%s on %s, batch of %d: %w", b.engine.model.Path, b.engine.device, hi-lo, classify(err))
	}
	b.take(lo, hi)
	return nil
}

// scoreFixed goes in steps of the one batch size that the model takes. What is
// left at the end is filled up with zeros in memory of its own, so that no row
// but the caller's is written.
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
