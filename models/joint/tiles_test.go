package joint

import (
	"context"
	"errors"
	"fmt"
	"math"
	"testing"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/preprocess"
)

// tilesOf returns the engine of tiles of a contract over sums, and the contract.
func tilesOf(task string, output models.Activation, classes int, rule preprocess.TileRule) (*sums, *Tiled, *models.Contract) {
	c := contractOf(task, output, classes, "")
	part := &sums{row: c.Preprocess.RowBytes(), width: classes}
	c.Preprocess.Tile, c.Preprocess.TileRule = 8, rule
	return part, Tiles(part, c).(*Tiled), c
}

// tallyTiles scores tiles whose first bytes are those, in batches, and returns the numbers of the image.
func tallyTiles(t *testing.T, e *Tiled, batch int, tiles [][]byte) ([]float32, preprocess.Tile) {
	t.Helper()
	ctx := context.Background()
	y, err := e.Tiles(batch, newLimit(batch)).NewTally()
	if err != nil {
		t.Fatal(err)
	}
	numbers := make([]float32, e.width)
	var best preprocess.Tile
	for range 2 { // the second image has nothing of the first
		y.Begin()
		for i, v := range tiles {
			row, err := y.Row(ctx, preprocess.Tile{X: i % 3, Y: i / 3, Width: 8, Height: 8})
			if err != nil {
				t.Fatal(err)
			}
			copy(row, v)
		}
		if best, err = y.End(ctx, numbers); err != nil {
			t.Fatal(err)
		}
	}
	return numbers, best
}

// TestTilesRules tests the numbers of an image against a plain computation, with any batch.
func TestTilesRules(t *testing.T) {
	softmax := func(x []float64) (p []float64) {
		sum := 0.0
		for _, v := range x {
			sum += math.Exp(v)
		}
		for _, v := range x {
			p = append(p, math.Exp(v)/sum)
		}
		return p
	}
	sigmoid := func(x []float64) (p []float64) {
		for _, v := range x {
			p = append(p, 1/(1+math.Exp(-v)))
		}
		return p
	}
	as := func(x []float64) []float64 { return x }
	tiles := make([][]byte, 7)
	for i := range tiles {
		for k := range 4 {
			tiles[i] = append(tiles[i], byte((i*i*23+k*k*41+i*k*17)%100))
		}
	}
	for _, c := range []struct {
		task   string
		output models.Activation
		apply  func([]float64) []float64
		only   preprocess.TileRule
	}{
		{output: models.Logits, apply: softmax},
		{output: models.Probabilities, apply: as},
		{task: models.MultiLabel, output: models.Sigmoid, apply: sigmoid},
		{task: models.MultiLabel, output: models.Independent, apply: as},
		{task: models.Embed, output: models.Logits, apply: as, only: preprocess.TileMean},
	} {
		for _, rule := range preprocess.TileRules() {
			if c.only != "" && rule != c.only {
				continue
			}
			_, e, _ := tilesOf(c.task, c.output, 4, rule)
			want, sure, best := make([]float64, 4), math.Inf(-1), preprocess.Tile{}
			for i, tile := range tiles {
				x := make([]float64, 4)
				for k := range x {
					x[k] = float64(float32(tile[k])/10 - 1)
				}
				p := c.apply(x)
				most := max(p[0], p[1], p[2], p[3])
				for k, v := range p {
					switch {
					case rule == preprocess.TileMean:
						want[k] += v / 7
					case rule == preprocess.TileMax && (i == 0 || v > want[k]), rule == preprocess.TileTop && most > sure:
						want[k] = v
					}
				}
				if rule == preprocess.TileTop && most > sure {
					sure, best = most, preprocess.Tile{X: i % 3, Y: i / 3, Width: 8, Height: 8}
				}
			}
			first, _ := tallyTiles(t, e, 1, tiles)
			for batch := 1; batch < 9; batch++ {
				got, at := tallyTiles(t, e, batch, tiles)
				if at != best {
					t.Errorf("%s %s %s: tile %v, want %v", c.task, c.output, rule, at, best)
				}
				for k := range got {
					if math.Abs(float64(got[k])-want[k]) > 1e-6*max(1, want[k]) {
						t.Errorf("%s %s %s: number %d is %v, want %v", c.task, c.output, rule, k, got[k], want[k])
					}
					if got[k] != first[k] {
						t.Errorf("%s %s %s: number %d depends on the batch", c.task, c.output, rule, k)
					}
				}
			}
		}
	}
}

// TestTilesTie tests that of equally sure tiles the upper left one decides, in whatever order they come, and that one
// number for two classes is as sure of one as of the other.
func TestTilesTie(t *testing.T) {
	_, e, _ := tilesOf("", models.Probabilities, 4, preprocess.TileTop)
	y, err := e.Tiles(2, newLimit(2)).NewTally()
	if err != nil {
		t.Fatal(err)
	}
	y.Begin()
	for _, at := range []preprocess.Tile{{X: 9, Y: 5}, {X: 7, Y: 5}, {X: 8, Y: 5}, {X: 0, Y: 6}} {
		row, err := y.Row(context.Background(), at)
		if err != nil {
			t.Fatal(err)
		}
		copy(row, "same")
	}
	if at, err := y.End(context.Background(), make([]float32, 4)); err != nil || at.X != 7 || at.Y != 5 {
		t.Errorf("tile %v, %v", at, err)
	}
	_, e, c := tilesOf("", models.Sigmoid, 1, preprocess.TileTop)
	c.Labels = []string{"no", "yes"}
	e = Tiles(e.part, c).(*Tiled)
	// Raw scores of 1, -1 and 0.9: the second is as sure of no as the first of yes.
	if _, at := tallyTiles(t, e, 3, [][]byte{{18}, {0}, {19}}); at.X != 1 {
		t.Errorf("tile %v, want the second: it has the raw score -1, and others 0.8 and 0.9", at)
	}
}

// TestTilesPass tests that an image's numbers reach its row, and that what is not a number does not
// become one.
func TestTilesPass(t *testing.T) {
	part, e, c := tilesOf("", models.Logits, 3, preprocess.TileMax)
	if Tiles(part, contractOf("", models.Logits, 3, "")) != Part(part) {
		t.Error("there is something between a model without tiles and the pipeline")
	}
	b, err := e.NewBatch(2)
	if err != nil {
		t.Fatal(err)
	}
	for i := range b.Pixels {
		b.Pixels[i] = byte(i)
	}
	if err := e.Score(context.Background(), b, 1, 2); err != nil {
		t.Fatal(err)
	}
	for k, v := range b.Scores[3:] {
		if b.Scores[k] != 0 || v != preprocess.NumberAt(b.Pixels, 3+k) {
			t.Errorf("numbers %v", b.Scores)
		}
	}
	e.part = &odd{sums: part}
	if got, _ := tallyTiles(t, e, 2, [][]byte{{1}, {2}, {3}}); got[0] == got[0] {
		t.Errorf("numbers %v of tiles of which one has none", got)
	}
	m := &models.Model{Contract: *c}
	if one := Single(m); one == m || one.Contract.Preprocess.Digest() != c.Preprocess.OfTile().Digest() || c.Preprocess.Tile != 8 {
		t.Error("Single() is not that of a tile")
	}
}

// odd gives one tile infinity, whose probabilities would not show it.
type odd struct{ *sums }

func (o *odd) Score(ctx context.Context, b *models.Batch, lo, hi int) error {
	err := o.sums.Score(ctx, b, lo, hi)
	if lo == 0 {
		b.Scores[1] = float32(math.Inf(-1))
	}
	return err
}

// limit is a models.Limit.
type limit struct{ size, lowered int }

func newLimit(size int) *limit { return &limit{size: size} }

func (l *limit) Size() int { return l.size }

func (l *limit) Lower(size int) {
	if l.size == size {
		l.size, l.lowered = size/2, l.lowered+1
	}
}

// once is an engine of which one call gives other numbers than those to a tile.
type once struct {
	*sums
	calls, at int
	gives     float32
}

func (o *once) Score(ctx context.Context, b *models.Batch, lo, hi int) error {
	err := o.sums.Score(ctx, b, lo, hi)
	if o.calls++; o.calls == o.at {
		b.Scores[lo*o.width] = o.gives
	}
	return err
}

// TestTilesOnSickDevice tests that a device which gives a tile NaN and numbers ends the run, and
// that one which always gives NaN is asked again.
func TestTilesOnSickDevice(t *testing.T) {
	nan := float32(math.NaN())
	score := func(e *Tiled, tiles ...byte) error {
		y, err := e.Tiles(3, newLimit(3)).NewTally()
		if err != nil {
			t.Fatal(err)
		}
		y.Begin()
		for i, v := range tiles {
			row, err := y.Row(t.Context(), preprocess.Tile{X: i})
			if err != nil {
				return err
			}
			row[0] = v
		}
		_, err = y.End(t.Context(), make([]float32, e.width))
		return err
	}
	part, e, _ := tilesOf("", models.Logits, 3, preprocess.TileMean)
	for at := range 4 {
		e.part = &once{sums: part, at: at, gives: nan}
		if err := score(e, 1, 2, 3, 4, 5); errors.Is(err, models.ErrDevice) != (at == 1 || at == 2) {
			t.Errorf("NaN in call %d: %v", at, err) // there are two calls, and a third if one of them gives NaN
		}
	}
	second := &once{sums: part, at: 2, gives: nan} // another tile of the batch has NaN in the second pass only
	e.part = &lost{once: second}
	if err := score(e, 1, 2, 3); !errors.Is(err, models.ErrDevice) {
		t.Errorf("a tile that loses its numbers: %v", err)
	}
	e.part = &odd{sums: part}
	if score(e, 1, 2, 3) != nil {
		t.Error("a tile that has no numbers, whoever asks, is not an error of the device")
	}
}

// lost gives the third tile of every call NaN.
type lost struct{ *once }

func (l *lost) Score(ctx context.Context, b *models.Batch, lo, hi int) error {
	err := l.once.Score(ctx, b, lo, hi)
	b.Scores[(lo+2)*l.width] = float32(math.NaN())
	return err
}

// small is an engine without room for more than two tiles.
type small struct{ *sums }

func (s *small) Score(ctx context.Context, b *models.Batch, lo, hi int) error {
	if hi-lo > 2 {
		return fmt.Errorf("%w: %d tiles", models.ErrOutOfMemory, hi-lo)
	}
	return s.sums.Score(ctx, b, lo, hi)
}

// TestTilesRoom tests that tiles are scored in smaller batches where a device has no room for all.
func TestTilesRoom(t *testing.T) {
	part, e, _ := tilesOf("", models.Logits, 3, preprocess.TileMean)
	tiles := [][]byte{{1}, {200}, {3}, {4}, {5}, {6}, {7}, {8}}
	want, _ := tallyTiles(t, e, 8, tiles)
	e.part = &small{sums: part}
	got, _ := tallyTiles(t, e, 8, tiles)
	if got[0] != want[0] || part.size != 2 {
		t.Errorf("numbers %v, want %v; %d at a time", got, want, part.size)
	}
	both := newLimit(8) // of all who decode
	scorer := e.Tiles(8, both)
	for range 2 {
		y, err := scorer.NewTally()
		if err != nil {
			t.Fatal(err)
		}
		y.Begin()
		for range 8 {
			if _, err := y.Row(t.Context(), preprocess.Tile{}); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := y.End(t.Context(), make([]float32, e.width)); err != nil {
			t.Fatal(err)
		}
	}
	if both.size != 2 || both.lowered != 2 {
		t.Errorf("the limit is %d, lowered %d times, want 2 and 2", both.size, both.lowered)
	}
}

func TestTileable(t *testing.T) {
	spec := func(c *models.Contract, rule preprocess.TileRule) preprocess.Spec {
		s := c.Preprocess
		s.Tile, s.TileRule = 8, rule
		return s
	}
	several := contractOf("", models.Logits, 4, "")
	several.Heads = []models.Head{{Name: "b", Output: models.Sigmoid, Task: models.MultiLabel, Classes: 2}}
	for _, c := range []struct {
		contract *models.Contract
		rule     preprocess.TileRule
		ok       bool
	}{
		{contract: contractOf("", models.Logits, 4, ""), rule: preprocess.TileTop, ok: true},
		{contract: contractOf(models.Detect, models.Sigmoid, 4, ""), rule: preprocess.TileMean, ok: true},
		{contract: contractOf(models.Detect, models.Sigmoid, 4, ""), rule: preprocess.TileTop},
		{contract: contractOf(models.Embed, models.Logits, 4, ""), rule: preprocess.TileMean, ok: true},
		{contract: contractOf(models.Embed, models.Logits, 4, ""), rule: preprocess.TileMax},
		{contract: contractOf(models.Raw, models.Logits, 4, ""), rule: preprocess.TileTop},
		{contract: several, rule: preprocess.TileMax, ok: true},
		{contract: several, rule: preprocess.TileTop},
	} {
		if err := Tileable(c.contract, spec(c.contract, c.rule)); (err == nil) != c.ok {
			t.Errorf("%s, %s: %v", c.contract.Task, c.rule, err)
		}
	}
}
