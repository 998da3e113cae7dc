package ort

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/preprocess"
	"github.com/batchscore/batchscore/models/preprocess/codec"
)

// CheckRows scores a few images alone, in company, at other places and twice,
// in batches of at most batch images, and returns a *DependentError where the
// row of one of them changes by more than rounding. The images given, at most
// two, are encoded; made ones complete them, and replace any that cannot be
// decoded. It scores one batch, and seven images besides, or two batches of a graph
// that takes only one batch size.
//
// The images of the collection are not used: one that kills the process would
// kill it at every start, before it could be isolated.
func (e *Engine) CheckRows(ctx context.Context, batch int, images [][]byte) error {
	rows, err := e.trialRows(images)
	if err != nil {
		return err
	}
	for {
		err := e.checkRows(ctx, batch, rows)
		if batch = min(batch, compared) / 2; batch < 1 || !errors.Is(err, models.ErrOutOfMemory) {
			return err
		}
		// The run will halve its batch, too.
	}
}

func (e *Engine) checkRows(ctx context.Context, batch int, rows [][]byte) error {
	s, err := e.newSeries(batch, rows)
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
	// The same batch again tells chance from company.
	for range 2 {
		if err := s.run(ctx, s.trials[0].order); err != nil {
			return err
		}
	}
	return asError(s.worst())
}

// asError keeps a nil pointer from becoming an error.
func asError(d *DependentError) error {
	if d == nil {
		return nil
	}
	return d
}

// compared is how many different images CheckRows scores.
const compared = 4

// fullest is how many images it scores at a time at most: those of a GPU's batch.
const fullest = 32

// series is the trials of one CheckRows.
type series struct {
	engine *Engine
	scale  scale
	batch  *models.Batch
	size   int      // the most images in a trial
	rows   [][]byte // of the input tensor, one an image
	trials []trial
}

// trial is one batch: which image was at each place, and its scores.
type trial struct {
	order  []int
	scores [][]float32
}

// trialRows decodes the images to try the model with.
func (e *Engine) trialRows(images [][]byte) ([][]byte, error) {
	spec := e.model.Contract.Preprocess
	d, err := preprocess.NewDecoder(spec, preprocess.Options{})
	if err != nil {
		return nil, err
	}
	defer d.Close()
	made, err := madeImages(spec.Width, spec.Height)
	if err != nil {
		return nil, err
	}
	images = append(slices.Clone(images[:min(len(images), compared/2)]), made...)
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

func (e *Engine) newSeries(batch int, rows [][]byte) (*series, error) {
	size := max(batch, 1)
	if fixed := e.ports.batch; fixed > 0 {
		size = min(size, fixed)
	} else {
		size = min(size, fullest)
	}
	b, err := e.NewBatch(size)
	return &series{engine: e, scale: e.scale(), batch: b, size: size, rows: rows}, err
}

// orders are the trials: which images are scored together, and in which order.
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
	if s.engine.ports.batch > compared {
		// Every trial costs a whole batch. The images of the second one have
		// other places, and zeros where others were.
		if s.size <= compared {
			reversed = reversed[:s.size-1]
		}
		return [][]int{full, reversed}
	}
	return [][]int{full, reversed, {0}, {1}, {0}}
}

func (s *series) run(ctx context.Context, order []int) error {
	c := &s.engine.model.Contract
	row := c.Preprocess.RowBytes()
	for place, image := range order {
		copy(s.batch.Pixels[place*row:(place+1)*row], s.rows[image])
	}
	if err := s.engine.Score(ctx, s.batch, 0, len(order)); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return explainProbe(err)
	}
	t := trial{order: order}
	for place := range order {
		t.scores = append(t.scores, slices.Clone(s.batch.Scores[place*c.Classes:(place+1)*c.Classes]))
	}
	s.trials = append(s.trials, t)
	return nil
}
