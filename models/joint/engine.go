package joint

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/batchscore/batchscore/models"
)

// Part is the engine of one model. The pipeline's engines are such.
type Part interface {
	Device() string
	Lanes() int
	DefaultBatch() int
	NewBatch(capacity int) (*models.Batch, error)
	Score(ctx context.Context, b *models.Batch, lo, hi int) error
	Close() error
}

// sharer is a Part that can score the pixels of another's batch.
type sharer interface {
	NewBatchOver(pixels []byte, capacity int) (*models.Batch, error)
}

// Engine scores each image with several models, one after another. It is safe for use by
// any number of goroutines, as its parts are.
type Engine struct {
	parts  []Part
	widths []int // numbers of an image, for each part
	width  int   // their sum
}

// Join returns the engine of several models, whose contracts are those of the parts. It
// closes the parts when it is closed. That of one part is the part.
func Join(all []Model, parts []Part) Part {
	if len(parts) == 1 {
		return parts[0]
	}
	e := &Engine{parts: parts}
	for _, m := range all {
		n := m.Contract.Numbers()
		e.widths = append(e.widths, n)
		e.width += n
	}
	return e
}

// Device names the devices of the parts, each once: "cpu/winograd+cpu".
func (e *Engine) Device() string {
	var names []string
	for _, p := range e.parts {
		if name := p.Device(); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return strings.Join(names, "+")
}

// Lanes returns how many calls keep every part busy.
func (e *Engine) Lanes() int {
	n := e.parts[0].Lanes()
	for _, p := range e.parts[1:] {
		n = min(n, p.Lanes())
	}
	return n
}

// DefaultBatch returns the smallest of the parts.
func (e *Engine) DefaultBatch() int {
	n := e.parts[0].DefaultBatch()
	for _, p := range e.parts[1:] {
		n = min(n, p.DefaultBatch())
	}
	return n
}

// NewBatch allocates a batch whose pixels all parts score. Its memory is the first part's
// and, for the scores, that of Go.
func (e *Engine) NewBatch(capacity int) (*models.Batch, error) {
	var own []*models.Batch
	for i, p := range e.parts {
		var b *models.Batch
		var err error
		if s, ok := p.(sharer); ok && i > 0 {
			b, err = s.NewBatchOver(own[0].Pixels, capacity)
		} else {
			b, err = p.NewBatch(capacity)
		}
		if err != nil {
			return nil, err // what the parts have allocated, they free when they are closed
		}
		own = append(own, b)
	}
	return &models.Batch{Pixels: own[0].Pixels, Scores: make([]float32, capacity*e.width), Engine: own}, nil
}

// Score scores images lo <= i < hi with every part, and puts the numbers of all parts into
// their rows. If a part has no room for that many, its error is returned, and all parts
// score the images again in smaller calls.
func (e *Engine) Score(ctx context.Context, b *models.Batch, lo, hi int) error {
	own, ok := b.Engine.([]*models.Batch)
	if !ok || len(own) != len(e.parts) {
		return errors.New("the batch was made by another engine")
	}
	at := 0
	for i, p := range e.parts {
		part, n := own[i], e.widths[i]
		if i > 0 && len(part.Pixels) > 0 && &part.Pixels[0] != &b.Pixels[0] {
			row := len(b.Pixels) / (len(b.Scores) / e.width)
			copy(part.Pixels[lo*row:hi*row], b.Pixels[lo*row:hi*row])
		}
		part.Size = b.Size
		if err := p.Score(ctx, part, lo, hi); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return fmt.Errorf("model %d of %d: %w", i+1, len(e.parts), err)
		}
		for image := lo; image < hi; image++ {
			copy(b.Scores[image*e.width+at:][:n], part.Scores[image*n:][:n])
		}
		at += n
	}
	return nil
}

// Close closes the parts, the last first: their batches may be over memory of the first.
func (e *Engine) Close() error {
	var errs []error
	for _, p := range slices.Backward(e.parts) {
		errs = append(errs, p.Close())
	}
	return errors.Join(errs...)
}
