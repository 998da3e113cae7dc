package joint

import (
	"context"
	"errors"
	"math"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/preprocess"
)

// Single returns the model as an engine scores it: one view of an image, or of a tile, in a row.
// It is m itself unless its contract has several views, or tiles.
func Single(m *models.Model) *models.Model {
	p := &m.Contract.Preprocess
	if p.Views() == 1 && p.Tile == 0 {
		return m
	}
	one := *m
	one.Contract.Preprocess = p.OfTile()
	one.Contract.Preprocess.Augment = ""
	return &one
}

// views is the engine of a model whose rows have several views of an image. It scores each
// view as an image of its own, and gives the mean.
type views struct {
	part  Part
	many  int // views of an image
	width int // numbers of an image
	heads []meanOf
}

// meanOf is how the mean of some numbers of a row is made.
type meanOf struct {
	from, to int // numbers from <= i < to
	output   models.Activation
}

// Views returns an engine for rows of the contract c, made of one that scores single views.
// What becomes probabilities is averaged as probabilities; it is returned as numbers of
// which the contract's activation makes the mean. Other numbers are averaged as they are. It
// returns part itself if there is one view only.
func Views(part Part, c *models.Contract) Part {
	many := c.Preprocess.Views()
	if many == 1 {
		return part
	}
	v := &views{part: part, many: many, width: c.Numbers()}
	at := 0
	for i := range c.HeadCount() {
		h := c.Head(i)
		m := meanOf{from: at, to: at + h.Numbers(), output: h.Output}
		if h.Task == models.Embed || h.Task == models.Raw {
			m.output = ""
		}
		v.heads, at = append(v.heads, m), m.to
	}
	return v
}

// Augmentable returns an error if what a contract makes of numbers has no mean.
func Augmentable(c *models.Contract, a preprocess.Augment) error {
	for i := range c.HeadCount() {
		if h := c.Head(i); h.Task == models.Detect {
			return errors.New("boxes of several views have no mean: --augment is not for models that detect")
		}
	}
	s := c.Preprocess
	s.Augment = a
	return s.Validate()
}

func (v *views) Device() string { return v.part.Device() }

func (v *views) Lanes() int { return v.part.Lanes() }

func (v *views) DefaultBatch() int { return max(1, v.part.DefaultBatch()/v.many) }

func (v *views) Close() error { return v.part.Close() }

func (v *views) NewBatch(capacity int) (*models.Batch, error) {
	return v.wrap(v.part.NewBatch(capacity * v.many))
}

// NewBatchOver makes a batch over the pixels of another's, if the engine below can.
func (v *views) NewBatchOver(pixels []byte, capacity int) (*models.Batch, error) {
	s, ok := v.part.(sharer)
	if !ok {
		return v.NewBatch(capacity)
	}
	return v.wrap(s.NewBatchOver(pixels, capacity*v.many))
}

func (v *views) wrap(own *models.Batch, err error) (*models.Batch, error) {
	if err != nil {
		return nil, err
	}
	return &models.Batch{Pixels: own.Pixels, Scores: make([]float32, len(own.Scores)/v.many), Engine: own}, nil
}

// Score scores the views of images lo <= i < hi, and puts their means into the rows.
func (v *views) Score(ctx context.Context, b *models.Batch, lo, hi int) error {
	own, ok := b.Engine.(*models.Batch)
	if !ok {
		return errors.New("the batch was made by another engine")
	}
	own.Size = b.Size * v.many
	if err := v.part.Score(ctx, own, lo*v.many, hi*v.many); err != nil {
		return err
	}
	for i := lo; i < hi; i++ {
		v.mean(own.Scores[i*v.many*v.width:][:v.many*v.width], b.Scores[i*v.width:][:v.width])
	}
	return nil
}

// mean makes the numbers of an image of those of its views.
func (v *views) mean(all, out []float32) {
	for _, h := range v.heads {
		switch h.output {
		case models.Logits:
			v.meanOfLogits(all, out, h)
		case models.Sigmoid:
			v.meanOfSigmoids(all, out, h)
		default:
			for i := h.from; i < h.to; i++ {
				sum := 0.0
				for view := range v.many {
					sum += float64(all[view*v.width+i])
				}
				out[i] = float32(sum / float64(v.many))
			}
		}
	}
}

// mostViews are those of preprocess.TenCrop.
const mostViews = 10

// least keeps logarithms finite. No probability that is shown is near it.
const least = 1e-300

// meanOfLogits writes the logarithms of the mean probabilities.
func (v *views) meanOfLogits(all, out []float32, h meanOf) {
	var sums, most [mostViews]float64
	for view := range v.many {
		row := all[view*v.width:]
		most[view] = math.Inf(-1)
		for _, x := range row[h.from:h.to] {
			most[view] = max(most[view], float64(x))
		}
		for _, x := range row[h.from:h.to] {
			sums[view] += math.Exp(float64(x) - most[view])
		}
	}
	for i := h.from; i < h.to; i++ {
		p := 0.0
		for view := range v.many {
			p += math.Exp(float64(all[view*v.width+i])-most[view]) / sums[view]
		}
		out[i] = float32(math.Log(max(p/float64(v.many), least)))
	}
}

// meanOfSigmoids writes the numbers whose sigmoids are the mean probabilities.
func (v *views) meanOfSigmoids(all, out []float32, h meanOf) {
	for i := h.from; i < h.to; i++ {
		yes, no := 0.0, 0.0
		for view := range v.many {
			x := float64(all[view*v.width+i])
			yes += 1 / (1 + math.Exp(-x))
			no += 1 / (1 + math.Exp(x))
		}
		out[i] = float32(math.Log(max(yes, least)) - math.Log(max(no, least)))
	}
}
