package ort

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/graph/graphtest"
	"github.com/batchscore/batchscore/models/ort/rowcheck"
)

func openMixing(t *testing.T, mix graphtest.Mix, batch int64) *Engine {
	t.Helper()
	m, err := models.Open(graphtest.Mixing(t, mix, batch), models.OpenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return open(t, m, Options{})
}

// A model whose rows depend on the batch or on chance is refused, and the error
// names the operator if the graph shows it. No other model is refused.
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
				var d *rowcheck.DependentError
				switch {
				case c.says == "" || batch == 1 && !c.chance:
					if err != nil {
						t.Errorf("batch of %d: %v", batch, err)
					}
				case !errors.As(err, &d) || !errors.Is(err, models.ErrModel):
					t.Errorf("batch of %d: got %v, want a DependentError", batch, err)
				case !strings.Contains(err.Error(), c.says) || d.Chance != c.chance || !(d.Largest > 0):
					t.Errorf("batch of %d: got %v, want %q and chance %v", batch, err, c.says, c.chance)
				case strings.Contains(err.Error(), "--batch 1") == c.chance:
					t.Errorf("batch of %d: --batch 1 helps where it is not chance: %v", batch, err)
				}
			}
		})
	}
}

// A normalisation in training mode may continue to learn while it is used, so
// that even a batch of one does not help. The error names it in both cases.
func TestFault36_TrainingModeThatLearns(t *testing.T) {
	e := openMixing(t, "bn-training-planes", 0)
	for _, batch := range []int{2, 4} {
		err := e.CheckRows(t.Context(), batch, nil)
		if !errors.Is(err, models.ErrModel) || !strings.Contains(err.Error(), `BatchNormalization in training mode at "bn-training"`) {
			t.Errorf("batch of %d: %v", batch, err)
		}
	}
}

// Some models mix images at the end of a batch only, so a batch as large as the
// run's is tried.
func TestFault36_FullBatch(t *testing.T) {
	e := openMixing(t, "minus-fifth", 0)
	for _, batch := range []int{4, 5, 8, 32} {
		err := e.CheckRows(t.Context(), batch, nil)
		if found := errors.Is(err, models.ErrModel) && strings.Contains(err.Error(), `ReduceSum over the batch at "sum"`); found != (batch > 4) {
			t.Errorf("batch of %d: %v", batch, err)
		}
	}
}

// The models that other tests use as sound ones pass, in float32 and from bytes.
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

// Cancellation is not reported as a fault of the model.
func TestCheckRowsEndsWithItsContext(t *testing.T) {
	e := openMixing(t, "plain", 0)
	ctx, end := context.WithCancel(t.Context())
	end()
	if err := e.CheckRows(ctx, 4, nil); !errors.Is(err, context.Canceled) || errors.Is(err, models.ErrModel) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}
