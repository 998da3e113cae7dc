// Package rowcheck tries out the rows of scores that a model gives: whether they
// are what its contract says, and whether the row of an image depends on that
// image alone. It knows no engine; it works with anything that scores batches.
package rowcheck

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/preprocess"
	"github.com/batchscore/batchscore/models/preprocess/codec"
)

// Engine scores batches with the model under test.
type Engine interface {
	// NewBatch returns the memory of a batch of at most capacity images.
	NewBatch(capacity int) (*models.Batch, error)
	// Score fills the rows of images lo <= i < hi of a batch.
	Score(ctx context.Context, b *models.Batch, lo, hi int) error
}

// Subject is the model under test and how it is run.
type Subject struct {
	Model  *models.Model
	Device string // as messages name it
	// FixedBatch is the only batch size that the graph accepts; 0 means any.
	FixedBatch int
	// GPU reports whether the device is a GPU. GPUs round differently in
	// different batches.
	GPU bool
}

// Independence scores a few images alone, together, at other places and twice,
// in batches of at most batch images. It returns a *DependentError if the row of
// one of them changes by more than rounding. The first two of the given encoded
// images are used; synthetic ones complete them, and replace any that cannot be
// decoded. It scores one batch and seven more images, or two batches if the graph
// accepts one batch size only.
//
// The images of the collection are not used. If one of them kills the process,
// it would do so at every start, before it could be isolated.
func Independence(ctx context.Context, e Engine, s Subject, batch int, images [][]byte) error {
	rows, err := decodeImages(s.Model.Contract.Preprocess, images)
	if err != nil {
		return err
	}
	for {
		batch = s.size(batch)
		err := try(ctx, e, s, batch, rows)
		if batch == 1 || !models.TooLarge(err) {
			return err
		}
		batch /= 2 // as the run will do
		s.FixedBatch = min(s.FixedBatch, batch)
	}
}

func try(ctx context.Context, e Engine, subject Subject, batch int, rows [][]byte) error {
	s, err := newSeries(e, subject, batch, rows)
	if err != nil {
		return err
	}
	for _, order := range s.orders() {
		if err := s.run(ctx, order); err != nil {
			return err
		}
	}
	d := s.worst()
	if d == nil || d.Chance {
		return asError(d)
	}
	// Scoring the same batch again shows whether it is chance or the neighbours.
	for range 2 {
		if err := s.run(ctx, s.trials[0].order); err != nil {
			return err
		}
	}
	return asError(s.worst())
}

// asError keeps a nil pointer from becoming a non-nil error.
func asError(d *DependentError) error {
	if d == nil {
		return nil
	}
	return d
}

// compared is how many different images are scored.
const compared = 4

// largestBatch is the most images that are scored at a time: the usual batch of
// a GPU.
const largestBatch = 32

// series is the trials of one batch size.
type series struct {
	engine  Engine
	subject Subject
	scale   scale
	batch   *models.Batch
	size    int      // the most images in a trial
	rows    [][]byte // of the input tensor, one for each image
	trials  []trial
}

// trial is one scored batch.
type trial struct {
	order  []int       // the image at each place
	scores [][]float32 // the row of each place
}

// decodeImages returns the input rows of the images to try the model with.
func decodeImages(spec preprocess.Spec, images [][]byte) ([][]byte, error) {
	d, err := preprocess.NewDecoder(spec, preprocess.Options{})
	if err != nil {
		return nil, err
	}
	defer d.Close()
	synthetic, err := syntheticImages(spec.Width, spec.Height)
	if err != nil {
		return nil, err
	}
	images = append(slices.Clone(images[:min(len(images), compared/2)]), synthetic...)
	var rows [][]byte
	for _, image := range images {
		row := make([]byte, spec.RowBytes())
		var bad *codec.Failure
		switch err := d.Decode(row, image); {
		case errors.As(err, &bad):
			continue
		case err != nil:
			return nil, fmt.Errorf("an image to try the model with: %w", err)
		}
		if rows = append(rows, row); len(rows) == compared {
			break
		}
	}
	return rows, nil
}

func newSeries(e Engine, subject Subject, batch int, rows [][]byte) (*series, error) {
	b, err := e.NewBatch(batch)
	return &series{engine: e, subject: subject, scale: newScale(subject), batch: b, size: batch, rows: rows}, err
}

// size returns the most images in a trial, if a run has batches of that size.
func (s *Subject) size(batch int) int {
	limit := largestBatch
	if s.FixedBatch > 0 {
		limit = s.FixedBatch
	}
	return min(max(batch, 1), limit)
}

// orders lists the trials: which images are scored together, and in which order.
func (s *series) orders() [][]int {
	if s.size == 1 {
		return [][]int{{0}, {0}, {1}, {1}}
	}
	full := make([]int, s.size)
	for place := range full {
		full[place] = place % compared
	}
	reversed := slices.Clone(full[:min(s.size, compared)])
	slices.Reverse(reversed)
	if s.subject.FixedBatch > compared {
		// Every trial costs a whole batch. In the second one the images have other
		// places, and zeros are where other images were.
		if s.size <= compared {
			reversed = reversed[:s.size-1]
		}
		return [][]int{full, reversed}
	}
	return [][]int{full, reversed, {0}, {1}, {0}}
}

func (s *series) run(ctx context.Context, order []int) error {
	c := &s.subject.Model.Contract
	row, width := c.Preprocess.RowBytes(), c.Numbers()
	for place, image := range order {
		copy(s.batch.Pixels[place*row:(place+1)*row], s.rows[image])
	}
	if err := s.engine.Score(ctx, s.batch, 0, len(order)); err != nil {
		return err
	}
	t := trial{order: order}
	for place := range order {
		t.scores = append(t.scores, slices.Clone(s.batch.Scores[place*width:(place+1)*width]))
	}
	s.trials = append(s.trials, t)
	return nil
}
