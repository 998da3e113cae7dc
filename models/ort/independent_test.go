package ort

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/graph/graphtest"
)

func openMixing(t *testing.T, mix graphtest.Mix, batch int64) *Engine {
	t.Helper()
	m, err := models.Open(graphtest.Mixing(t, mix, batch), models.OpenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return open(t, m, Options{})
}

// A model whose rows depend on the batch or on chance is refused, with the
// operator named where the graph shows it, and no other is.
func TestFault36_DependentRows(t *testing.T) {
	const unseen = "does not show the operator"
	for _, c := range []struct {
		mix   graphtest.Mix
		batch int64  // that the graph takes; 0 is any
		says  string // in the error; empty for a model that is sound
		// chance reports whether rows change from run to run, in a batch of 1 too.
		chance bool
	}{
		{mix: "plain"},
		{mix: "minus-row"},
		{mix: "softmax-row"},
		{mix: "bn"},
		{mix: "reshape-keeps"},
		{mix: "reshape-computed"},
		{mix: "attention"},
		{mix: "turned-softmax-row"},
		{mix: "turned-softmax-batch", says: `Softmax over the batch at "along"`},
		{mix: "dropout-training"}, // ONNX Runtime leaves it out
		{mix: "dropout-first", says: `Dropout in training mode at "dropped"`, chance: true},
		{mix: "minus-batch", says: `ReduceMean over the batch at "centre"`},
		{mix: "through-most", says: `ReduceMax over the batch at "most"`},
		{mix: "softmax-batch", says: `Softmax over the batch at "along"`},
		{mix: "log-softmax-batch", says: `LogSoftmax over the batch at "along"`},
		{mix: "bn-training", says: `BatchNormalization in training mode at "bn-training"`},
		{mix: "quantised-dynamically", says: `DynamicQuantizeLinear (dynamic quantisation) at "quantised"`},
		{mix: "reshape-folds", says: `Reshape of the batch into other axes at "folded"`},
		{mix: "gram", says: unseen},
		{mix: "noise", says: `RandomNormalLike at "noise"`, chance: true},
		{mix: "noise-below-rounding", says: `RandomUniformLike at "noise"`, chance: true},
		{mix: "plain", batch: 8},
		{mix: "softmax-row", batch: 8},
		{mix: "minus-batch", batch: 8, says: `ReduceMean over the batch at "centre"`},
		{mix: "places", batch: 8, says: unseen},
		{mix: "noise", batch: 8, says: "RandomNormalLike", chance: true},
		{mix: "minus-batch", batch: 2, says: `ReduceMean over the batch at "centre"`},
		{mix: "minus-batch", batch: 1},
		{mix: "noise", batch: 1, says: "RandomNormalLike", chance: true},
	} {
		name := string(c.mix)
		if c.batch > 0 {
			name += "/" + string(rune('0'+c.batch))
		}
		t.Run(name, func(t *testing.T) {
			e := openMixing(t, c.mix, c.batch)
			for _, batch := range []int{1, 2, 3, 4, 32} {
				err := e.CheckRows(t.Context(), batch, nil)
				var d *DependentError
				switch {
				case c.says == "" || batch == 1 && !c.chance:
					if err != nil {
						t.Errorf("batch of %d: %v", batch, err)
					}
				case !errors.As(err, &d) || !errors.Is(err, models.ErrModel):
					t.Errorf("batch of %d: want a DependentError, have %v", batch, err)
				case !strings.Contains(err.Error(), c.says) || d.Chance != c.chance || !(d.Largest > 0):
					t.Errorf("batch of %d: want %q, chance %v, have %v", batch, c.says, c.chance, err)
				case strings.Contains(err.Error(), "--batch 1") == c.chance:
					t.Errorf("batch of %d: --batch 1 helps where it is not chance: %v", batch, err)
				}
			}
		})
	}
}

// A normalisation in training mode may go on learning while it is used, so that
// a batch of one is no way out. It is the named cause either way.
func TestFault36_TrainingModeThatLearns(t *testing.T) {
	e := openMixing(t, "bn-training-planes", 0)
	for _, batch := range []int{2, 4} {
		err := e.CheckRows(t.Context(), batch, nil)
		if !errors.Is(err, models.ErrModel) || !strings.Contains(err.Error(), `BatchNormalization in training mode at "bn-training"`) {
			t.Errorf("batch of %d: %v", batch, err)
		}
	}
}

// Some models mix what is far back in a batch: the whole batch of the run is tried.
func TestFault36_FullBatch(t *testing.T) {
	e := openMixing(t, "minus-fifth", 0)
	for _, batch := range []int{4, 5, 8, 32} {
		err := e.CheckRows(t.Context(), batch, nil)
		if found := errors.Is(err, models.ErrModel) && strings.Contains(err.Error(), `ReduceSum over the batch at "sum"`); found != (batch > 4) {
			t.Errorf("batch of %d: %v", batch, err)
		}
	}
}

// Nothing is claimed of the models that other tests take for sound, in float32
// and from bytes.
func TestIndependentRows(t *testing.T) {
	for _, o := range []graphtest.Options{
		{}, {Logits: true}, {Input: graphtest.FloatImage, Work: 2}, {Batch: 1}, {Batch: 4}, {Batch: 5}, {Size: 64, Classes: 1000},
		{Classes: 1, Logits: true},
	} {
		e := open(t, tiny(t, o), Options{})
		if err := e.CheckRows(t.Context(), 8, nil); err != nil {
			t.Errorf("%+v: %v", o, err)
		}
	}
}

// Images that are given are used; one that is none is replaced.
func TestCheckRowsTakesImages(t *testing.T) {
	e := openMixing(t, "minus-batch", 0)
	made, err := madeImages(20, 10)
	if err != nil {
		t.Fatal(err)
	}
	for _, images := range [][][]byte{{made[2]}, {[]byte("no image"), made[1]}, {made[3], made[0], made[1], []byte("not looked at")}} {
		rows, err := e.trialRows(images)
		if err != nil || len(rows) != compared {
			t.Fatalf("%d rows, %v", len(rows), err)
		}
		var d *DependentError
		if err := e.CheckRows(t.Context(), 4, images); !errors.As(err, &d) {
			t.Errorf("want a DependentError, have %v", err)
		}
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
		{name: "a small change beside a large offset is rounding", scale: logits, a: []float32{1000, 1001}, b: []float32{1000.005, 1001}, beyond: false},
		{name: "small scores", scale: logits, a: []float32{1e-5, 3e-5}, b: []float32{1.1e-5, 3e-5}, beyond: true},
		{name: "small probabilities", scale: unit, a: []float32{0.99999, 1e-5}, b: []float32{0.99998, 2e-5}, beyond: true},
		{name: "probabilities that round", scale: unit, a: []float32{0.7, 0.3}, b: []float32{0.7000001, 0.2999999}, beyond: false},
		{name: "no probabilities", scale: unit, a: []float32{-3, 5}, b: []float32{-3, 5.1}, beyond: true},
		{name: "one score", scale: logits, a: []float32{0.5}, b: []float32{0.51}, beyond: true},
		{name: "one score that rounds", scale: logits, a: []float32{0.5}, b: []float32{0.5000001}, beyond: false},
		{name: "constant scores", scale: logits, a: []float32{0, 0}, b: []float32{0, 0.1}, beyond: true},
		{name: "no number in both", scale: logits, a: []float32{nan, 1}, b: []float32{nan, 1}, beyond: false},
		{name: "no number in one", scale: logits, a: []float32{nan, 1}, b: []float32{0, 1}, beyond: true},
		{name: "infinite in both", scale: logits, a: []float32{inf, 1}, b: []float32{inf, 1}, beyond: false},
		{name: "infinite in one", scale: logits, a: []float32{inf, 1}, b: []float32{2, 1}, beyond: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			if part, beyond := c.scale.change(c.a, c.b); beyond != c.beyond {
				t.Errorf("beyond rounding: have %v, want %v; it is %v of the range", beyond, c.beyond, part)
			}
		})
	}
}

// To be told to stop is no fault of the model.
func TestCheckRowsEndsWithItsContext(t *testing.T) {
	e := openMixing(t, "plain", 0)
	ctx, end := context.WithCancel(t.Context())
	end()
	if err := e.CheckRows(ctx, 4, nil); !errors.Is(err, context.Canceled) || errors.Is(err, models.ErrModel) {
		t.Errorf("have %v", err)
	}
}
