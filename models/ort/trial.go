package ort

import (
	"context"
	"errors"
	"fmt"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/ort/rowcheck"
	"github.com/batchscore/batchscore/models/preprocess"
)

// probeImages is the size of the probe batch of a model that accepts any. It is
// more than one image, so that a model that gives one row per batch is detected.
const probeImages = 2

// probe scores a fixed pattern and refuses a model whose scores are not what its
// contract says. The run also makes ONNX Runtime build what it builds at its first
// run. For a GPU that depends on the number of images, so batch is that of the job, or
// the nearest that fits into its memory.
func (e *Engine) probe(batch int) error {
	n := probeImages
	switch {
	case e.ports.batch > 0:
		n = e.ports.batch
	case e.pads:
		n = batch
	}
	b, err := e.NewBatch(n)
	switch {
	case err != nil && gpuBroken.Load():
		return e.target.explainProbe(err)
	case err != nil:
		return err
	}
	for i, row := 0, len(b.Pixels)/n; i < n; i++ {
		fillPattern(b.Pixels[i*row:][:row], i, e.model.Contract.Preprocess)
	}
	ctx := context.Background()
	err = e.Score(ctx, b, 0, n)
	for b.Size = n; e.pads && b.Size > 1 && models.TooLarge(err); {
		b.Size /= 2 // the run will do the same
		err = e.Score(ctx, b, 0, n)
	}
	if err != nil {
		if b.Size = 1; n > 1 && e.ports.batch == 0 && !errors.Is(err, models.ErrOutOfMemory) && e.Score(ctx, b, 0, 1) == nil {
			return fmt.Errorf("%w: %s accepts one image at a time: it scores one, and fails on a batch of %d, though its graph declares any;"+
				" run it with --batch 1, or export it with a batch that may vary", models.ErrModel, e.model.Path, n)
		}
		return e.target.explainProbe(err)
	}
	if err := rowcheck.Scores(&e.model.Contract, b.Scores); err != nil {
		return fmt.Errorf("%w: %s, probe batch: %w", models.ErrModel, e.model.Path, err)
	}
	if e.pads {
		e.makeSpare(b)
	}
	return nil
}

// fillPattern sets the pixels of one image to a pattern that is not constant.
// Images after the first are darker; otherwise all rows might have the same sum
// by chance.
func fillPattern(pixels []byte, image int, s preprocess.Spec) {
	dark := image % 4
	if s.DType == preprocess.Float32 {
		scale := s.Scale
		if scale == 0 {
			scale = 1
		}
		for i, f := 0, floats(pixels); i < len(f); i++ {
			f[i] = float32(pattern(i)>>dark) * scale
		}
		return
	}
	for i := range pixels {
		pixels[i] = pattern(i) >> dark
	}
}

func pattern(i int) byte { return byte(i*31 ^ i>>7) }

// explainMixing adds to an error about the scores of the probe batch the operators
// by which they depend on one another.
func (e *Engine) explainMixing(err error) error {
	if text := rowcheck.DescribeOperators(e.model.Dependences, false); text != "" && errors.Is(err, models.ErrModel) {
		return fmt.Errorf("%w; %s", err, text)
	}
	return err
}

// CheckRows checks in batches of at most batch images whether the row of an image
// depends on that image alone; see rowcheck.Independence, whose errors it returns.
func (e *Engine) CheckRows(ctx context.Context, batch int, images [][]byte) error {
	subject := rowcheck.Subject{Model: e.model, Device: e.device, FixedBatch: e.ports.batch, GPU: e.rebind}
	if e.pads && subject.FixedBatch == 0 {
		subject.FixedBatch = batch // that is what every call computes
	}
	return rowcheck.Independence(ctx, trialEngine{e}, subject, batch, images)
}

// trialEngine explains the errors of first runs.
type trialEngine struct{ *Engine }

func (e trialEngine) Score(ctx context.Context, b *models.Batch, lo, hi int) error {
	err := e.Engine.Score(ctx, b, lo, hi)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	}
	return e.target.explainProbe(err)
}
