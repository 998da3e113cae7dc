package joint

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/boxes"
	"github.com/batchscore/batchscore/models/preprocess"
)

// Tiled is the engine of a model that scores the tiles of images. They are scored while an image is
// decoded, so the tensor row of an image is its numbers, and Score passes them on. Of classes the
// numbers are probabilities, whatever the contract's activation.
type Tiled struct {
	part  Part // whose rows are tiles
	rule  preprocess.TileRule
	row   int // bytes of a tile in the tensor
	own   int // numbers of a tile
	width int // numbers of an image
	heads []tileHead
}

// tileHead is what is made of some numbers of a tile.
type tileHead struct {
	from, to int // numbers from <= i < to of a tile
	output   models.Activation
	binary   bool             // one probability stands for two classes
	row      int              // numbers of an image
	detector *models.Contract // of a tile as an image; nil if the head does not detect
}

// Tiles returns an engine for the tiles of the contract c, made of one that scores each as an
// image. It returns part itself if there are none.
func Tiles(part Part, c *models.Contract) Part {
	if c.Preprocess.Tile == 0 {
		return part
	}
	t := &Tiled{part: part, rule: c.Preprocess.TileRule, row: c.Preprocess.RowBytes(), own: c.Numbers(), width: c.RowNumbers()}
	at := 0
	for i := range c.HeadCount() {
		h := c.Head(i)
		one := tileHead{from: at, to: at + h.Numbers(), output: h.Output, binary: h.Binary(), row: c.HeadRowNumbers(i)}
		if !labelled(h) {
			one.output, one.binary = "", false
		}
		if h.Task == models.Detect {
			h.Preprocess = h.Preprocess.OfTile()
			one.detector = h
		}
		t.heads, at = append(t.heads, one), one.to
	}
	return t
}

// labelled reports whether an answer is made of probabilities.
func labelled(h *models.Contract) bool { return h.Classifies() || h.Task == models.MultiLabel }

// Tileable returns an error if answers cannot be made of tiles as the Spec s of the contract says.
func Tileable(c *models.Contract, s preprocess.Spec) error {
	if err := s.Validate(); err != nil {
		return err
	}
	for i := range c.HeadCount() {
		switch h := c.Head(i); {
		case h.Task == models.Detect && s.TileRule != preprocess.TileMean:
			return errors.New("boxes of tiles are joined, whatever the rule: leave --tile-rule out for models that detect")
		case !labelled(h) && s.TileRule != preprocess.TileMean:
			return fmt.Errorf("the answer %s of tiles has a mean only: --tile-rule %s", h.Task, preprocess.TileMean)
		}
	}
	if c.HeadCount() > 1 && s.TileRule == preprocess.TileTop {
		return errors.New("of several answers, no one tile decides: --tile-rule top is for models with one")
	}
	return nil
}

// Device returns that of the engine of tiles.
func (t *Tiled) Device() string { return t.part.Device() }

// Lanes returns how many calls keep the device busy.
func (t *Tiled) Lanes() int { return t.part.Lanes() }

// DefaultBatch returns how many tiles suit the device, and so many images are a batch.
func (t *Tiled) DefaultBatch() int { return t.part.DefaultBatch() }

// Close closes the engine of tiles.
func (t *Tiled) Close() error { return t.part.Close() }

// NewBatch makes a batch of images, each of which is its numbers.
func (t *Tiled) NewBatch(capacity int) (*models.Batch, error) {
	return &models.Batch{Pixels: make([]byte, capacity*t.width*4), Scores: make([]float32, capacity*t.width)}, nil
}

// Score passes the numbers of images lo <= i < hi on.
func (t *Tiled) Score(ctx context.Context, b *models.Batch, lo, hi int) error {
	for i := lo * t.width; i < hi*t.width; i++ {
		b.Scores[i] = preprocess.NumberAt(b.Pixels, i)
	}
	return ctx.Err()
}

// Tiles returns what scores tiles, in batches of that many, of which each call of the engine takes
// as many as the limit says.
func (t *Tiled) Tiles(batch int, limit models.Limit) preprocess.Tiles {
	return &tileScorer{Tiled: t, batch: batch, limit: limit}
}

type tileScorer struct {
	*Tiled
	batch int
	limit models.Limit
}

func (s *tileScorer) Numbers() int { return s.width }

func (s *tileScorer) NewTally() (preprocess.Tally, error) {
	b, err := s.part.NewBatch(s.batch)
	if err != nil {
		return nil, err
	}
	a := &tally{tileScorer: s, memory: b, at: make([]preprocess.Tile, s.batch), own: make([]float32, s.own),
		sums: make([]float64, s.own), found: make([]*boxes.Joiner, len(s.heads))}
	for i, h := range s.heads {
		if h.detector != nil {
			a.found[i] = boxes.NewJoiner(h.detector)
		}
	}
	return a, nil
}

// A tally is the numbers of one image, of the tiles that were scored so far.
type tally struct {
	*tileScorer
	memory *models.Batch
	at     []preprocess.Tile
	n      int       // tiles in the batch
	own    []float32 // numbers of a tile
	finite []bool    // of the tiles in the batch, whether all numbers are

	count   int // tiles that were scored
	sums    []float64
	found   []*boxes.Joiner // of each head; nil if it does not detect
	best    preprocess.Tile
	sure    float32
	invalid bool // a tile has numbers that are none
}

func (a *tally) Begin() {
	a.n, a.count, a.invalid = 0, 0, false
	clear(a.sums)
	for _, j := range a.found {
		if j != nil {
			j.Begin()
		}
	}
}

func (a *tally) Row(ctx context.Context, at preprocess.Tile) ([]byte, error) {
	if a.n == a.batch {
		if err := a.score(ctx); err != nil {
			return nil, err
		}
	}
	a.at[a.n] = at
	a.n++
	return a.memory.Pixels[(a.n-1)*a.row:][:a.row], nil
}

// score scores the tiles in the batch, and empties it. It scores them again if the numbers of one
// are not finite, as Tiled.Score cannot.
func (a *tally) score(ctx context.Context) error {
	if err := a.infer(ctx); err != nil {
		return err
	}
	a.finite = a.finite[:0]
	for i := range a.n {
		a.finite = append(a.finite, allFinite(a.numbers(i)))
	}
	if slices.Contains(a.finite, false) {
		if err := a.infer(ctx); err != nil {
			return err
		}
		for i, before := range a.finite {
			if allFinite(a.numbers(i)) != before {
				return fmt.Errorf("%w: %s gave NaN or infinity for a tile, and numbers when asked again or before: look at its memory and its driver",
					models.ErrDevice, a.part.Device())
			}
		}
	}
	for i := range a.n {
		copy(a.own, a.numbers(i))
		if err := a.add(a.at[i]); err != nil {
			return err
		}
	}
	a.n = 0
	return nil
}

// numbers returns those of a tile in the batch.
func (a *tally) numbers(i int) []float32 { return a.memory.Scores[i*len(a.own):][:len(a.own)] }

func allFinite(numbers []float32) bool {
	return !slices.ContainsFunc(numbers, func(v float32) bool { return v-v != 0 })
}

// infer runs the tiles in the batch. Where the device has no room for that many, it and all other
// calls run fewer at a time from then on.
func (a *tally) infer(ctx context.Context) error {
	for lo := 0; lo < a.n; {
		size := min(a.limit.Size(), a.batch)
		hi := min(a.n, lo+size)
		a.memory.Size = size
		err := a.part.Score(ctx, a.memory, lo, hi)
		switch {
		case err == nil:
			lo = hi
		case ctx.Err() == nil && size > 1 && models.TooLarge(err):
			a.limit.Lower(size)
		default:
			return fmt.Errorf("score tiles on %s: %w", a.part.Device(), err)
		}
	}
	return nil
}

// add adds the numbers of one tile.
func (a *tally) add(at preprocess.Tile) error {
	a.invalid = a.invalid || !allFinite(a.own)
	sure := float32(0)
	for i, h := range a.heads {
		p := a.own[h.from:h.to]
		if j := a.found[i]; j != nil {
			if err := j.Add(p, at); err != nil && !a.invalid {
				return fmt.Errorf("%w: its output for the tile at %d,%d %w", models.ErrModel, at.X, at.Y, err)
			}
			continue
		}
		h.probabilities(p)
		for _, v := range p {
			if sure = max(sure, v); h.binary {
				sure = max(sure, 1-v)
			}
		}
	}
	first := a.count == 0
	a.count++
	switch a.rule {
	case preprocess.TileMean:
		for i, v := range a.own {
			a.sums[i] += float64(v)
		}
	case preprocess.TileMax:
		for i, v := range a.own {
			if first || float64(v) > a.sums[i] {
				a.sums[i] = float64(v)
			}
		}
	case preprocess.TileTop:
		before := at.Y < a.best.Y || at.Y == a.best.Y && at.X < a.best.X
		if first || sure > a.sure || sure == a.sure && before {
			a.best, a.sure = at, sure
			for i, v := range a.own {
				a.sums[i] = float64(v)
			}
		}
	}
	return nil
}

// probabilities makes probabilities of numbers, as rows have them.
func (h *tileHead) probabilities(x []float32) {
	switch h.output {
	case models.Logits:
		peak, sum := x[0], 0.0
		for _, v := range x {
			peak = max(peak, v)
		}
		for _, v := range x {
			sum += math.Exp(float64(v - peak))
		}
		for i, v := range x {
			x[i] = float32(math.Exp(float64(v-peak)) / sum)
		}
	case models.Sigmoid:
		for i, v := range x {
			x[i] = float32(1 / (1 + math.Exp(-float64(v))))
		}
	}
}

func (a *tally) End(ctx context.Context, numbers []float32) (preprocess.Tile, error) {
	if err := a.score(ctx); err != nil {
		return preprocess.Tile{}, err
	}
	at := 0
	for i, h := range a.heads {
		row := numbers[at:][:h.row]
		at += h.row
		switch {
		case a.invalid: // the row is refused, as it is without tiles
			for k := range row {
				row[k] = float32(math.NaN())
			}
		case h.detector != nil:
			a.found[i].End(row)
		default:
			for k, v := range a.sums[h.from:h.to] {
				if a.rule == preprocess.TileMean {
					v /= float64(a.count)
				}
				row[k] = float32(v)
			}
		}
	}
	if a.rule != preprocess.TileTop {
		return preprocess.Tile{}, nil
	}
	return a.best, nil
}
