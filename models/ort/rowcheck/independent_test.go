package rowcheck

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/graph/graphtest"
	"github.com/batchscore/batchscore/models/onnxfile"
)

// fakeEngine scores images by the sum of their pixels, in another way for every
// test.
type fakeEngine struct {
	contract models.Contract
	runs     int
	score    func(run, place int, sums []float32) float32
	limit    int // larger batches are out of memory; 0 means no limit
	sizes    []int
}

func (e *fakeEngine) NewBatch(capacity int) (*models.Batch, error) {
	return &models.Batch{
		Pixels: make([]byte, capacity*e.contract.Preprocess.RowBytes()),
		Scores: make([]float32, capacity*e.contract.Classes),
	}, nil
}

func (e *fakeEngine) Score(ctx context.Context, b *models.Batch, lo, hi int) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if e.limit > 0 && hi-lo > e.limit {
		return models.ErrOutOfMemory
	}
	e.runs, e.sizes = e.runs+1, append(e.sizes, hi-lo)
	row := e.contract.Preprocess.RowBytes()
	sums := make([]float32, hi-lo)
	for i := range sums {
		for _, p := range b.Pixels[(lo+i)*row : (lo+i+1)*row] {
			sums[i] += float32(p)
		}
	}
	for i := range sums {
		s := e.score(e.runs, i, sums)
		copy(b.Scores[(lo+i)*e.contract.Classes:], []float32{s, -s})
	}
	return nil
}

func newFake(score func(run, place int, sums []float32) float32) (*fakeEngine, Subject) {
	c := graphtest.Contract(graphtest.Options{Classes: 2, Logits: true})
	m := &models.Model{Path: "m.onnx", Contract: c, Dependences: []onnxfile.Dependence{{Operator: "Twist", Node: "n", Count: 2, Remedy: "untwist it"}}}
	return &fakeEngine{contract: c, score: score}, Subject{Model: m, Device: "abacus"}
}

func TestIndependence(t *testing.T) {
	own := func(_, place int, sums []float32) float32 { return sums[place] }
	for _, c := range []struct {
		name   string
		score  func(run, place int, sums []float32) float32
		fixed  int
		batch  int
		fails  bool
		chance bool
	}{
		{name: "independent", score: own, batch: 8},
		{name: "independent, fixed batch", score: own, batch: 8, fixed: 8},
		{name: "independent, alone", score: own, batch: 1},
		{name: "minus the first", score: func(_, place int, sums []float32) float32 { return sums[place] - sums[0]/2 }, batch: 8, fails: true},
		{name: "minus the first, fixed batch", score: func(_, place int, sums []float32) float32 { return sums[place] - sums[0]/2 }, batch: 8, fixed: 8, fails: true},
		{name: "by place", score: func(_, place int, sums []float32) float32 { return sums[place] * float32(place+1) }, batch: 8, fails: true},
		{name: "by place, alone", score: func(_, place int, sums []float32) float32 { return sums[place] * float32(place+1) }, batch: 1},
		{name: "by run", score: func(run, place int, sums []float32) float32 { return sums[place] * float32(run) }, batch: 8, fails: true, chance: true},
		{name: "by run, alone", score: func(run, place int, sums []float32) float32 { return sums[place] * float32(run) }, batch: 1, fails: true, chance: true},
		{name: "rounding", score: func(run, place int, sums []float32) float32 { return sums[place] * (1 + float32(len(sums))*1e-7) }, batch: 8},
	} {
		t.Run(c.name, func(t *testing.T) {
			e, subject := newFake(c.score)
			subject.FixedBatch = c.fixed
			err := Independence(t.Context(), e, subject, c.batch, nil)
			if !c.fails {
				if err != nil {
					t.Errorf("got %v, want no error", err)
				}
				return
			}
			var d *DependentError
			if !errors.As(err, &d) || !errors.Is(err, models.ErrModel) {
				t.Fatalf("got %v, want a DependentError that wraps ErrModel", err)
			}
			if d.Chance != c.chance || !(d.Largest > 0) || d.Path != "m.onnx" || d.Device != "abacus" {
				t.Errorf("got %+v, want chance %v", d, c.chance)
			}
			for _, want := range []string{"m.onnx on abacus", "2 times Twist", "untwist it", "--allow-dependent-rows"} {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not contain %q", err, want)
				}
			}
		})
	}
}

// A batch that is too large for the device's memory is halved.
func TestIndependenceHalvesTheBatch(t *testing.T) {
	e, subject := newFake(func(_, place int, sums []float32) float32 { return sums[place] })
	e.limit = 2
	if err := Independence(t.Context(), e, subject, 32, nil); err != nil {
		t.Fatal(err)
	}
	if got := slices.Max(e.sizes); got != 2 {
		t.Errorf("the largest batch had %d images, want 2", got)
	}
}

// The run continues with half of its batch, and so does the check.
func TestIndependenceTriesTheBatchOfTheRun(t *testing.T) {
	e, subject := newFake(func(_, place int, sums []float32) float32 { return sums[place] })
	e.limit, subject.FixedBatch = 16, 32
	if err := Independence(t.Context(), e, subject, 32, nil); err != nil {
		t.Fatal(err)
	}
	if got := slices.Max(e.sizes); got != 16 {
		t.Errorf("the largest batch had %d images, want 16", got)
	}
}

func TestIndependenceIsCancelled(t *testing.T) {
	e, subject := newFake(func(_, place int, sums []float32) float32 { return sums[place] })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Independence(ctx, e, subject, 4, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}

// The given images are used, and one that cannot be decoded is replaced.
func TestDecodeImages(t *testing.T) {
	spec := graphtest.Contract(graphtest.Options{}).Preprocess
	images, err := syntheticImages(20, 10)
	if err != nil {
		t.Fatal(err)
	}
	synthetic, err := decodeImages(spec, nil)
	if err != nil || len(synthetic) != compared {
		t.Fatalf("%d rows, %v; want %d", len(synthetic), err, compared)
	}
	for _, c := range []struct {
		name  string
		given [][]byte
		used  int
	}{
		{name: "one", given: [][]byte{images[2]}, used: 1},
		{name: "one of two", given: [][]byte{[]byte("no image"), images[1]}, used: 1},
		{name: "two of four", given: [][]byte{images[3], images[0], images[1], []byte("not read")}, used: 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			rows, err := decodeImages(spec, c.given)
			if err != nil || len(rows) != compared {
				t.Fatalf("%d rows, %v; want %d", len(rows), err, compared)
			}
			for i, row := range rows[c.used:] {
				if !slices.Equal(row, synthetic[i]) {
					t.Errorf("row %d is not synthetic image %d", c.used+i, i)
				}
			}
		})
	}
}

func TestScaleOfRounding(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	logits := scale{spread: 1e-4, size: 1e-5, least: 1e-12}
	unit := logits
	unit.unit = true
	for _, c := range []struct {
		name   string
		scale  scale
		a, b   []float32
		beyond bool
	}{
		{name: "equal", scale: logits, a: []float32{1, 2}, b: []float32{1, 2}, beyond: false},
		{name: "last bits", scale: logits, a: []float32{1, 2}, b: []float32{1.0000001, 2}, beyond: false},
		{name: "a small change", scale: logits, a: []float32{1, 2}, b: []float32{1.001, 2}, beyond: true},
		{name: "a small change with a large offset is rounding", scale: logits, a: []float32{1000, 1001}, b: []float32{1000.005, 1001}, beyond: false},
		{name: "small scores", scale: logits, a: []float32{1e-5, 3e-5}, b: []float32{1.1e-5, 3e-5}, beyond: true},
		{name: "small probabilities", scale: unit, a: []float32{0.99999, 1e-5}, b: []float32{0.99998, 2e-5}, beyond: true},
		{name: "probabilities that round", scale: unit, a: []float32{0.7, 0.3}, b: []float32{0.7000001, 0.2999999}, beyond: false},
		{name: "not probabilities", scale: unit, a: []float32{-3, 5}, b: []float32{-3, 5.1}, beyond: true},
		{name: "one score", scale: logits, a: []float32{0.5}, b: []float32{0.51}, beyond: true},
		{name: "one score that rounds", scale: logits, a: []float32{0.5}, b: []float32{0.5000001}, beyond: false},
		{name: "constant scores", scale: logits, a: []float32{0, 0}, b: []float32{0, 0.1}, beyond: true},
		{name: "NaN in both", scale: logits, a: []float32{nan, 1}, b: []float32{nan, 1}, beyond: false},
		{name: "NaN in one", scale: logits, a: []float32{nan, 1}, b: []float32{0, 1}, beyond: true},
		{name: "infinite in both", scale: logits, a: []float32{inf, 1}, b: []float32{inf, 1}, beyond: false},
		{name: "infinite in one", scale: logits, a: []float32{inf, 1}, b: []float32{2, 1}, beyond: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			if part, beyond := c.scale.change(c.a, c.b); beyond != c.beyond {
				t.Errorf("change(%v, %v) = %v, %v; want %v", c.a, c.b, part, beyond, c.beyond)
			}
		})
	}
}
