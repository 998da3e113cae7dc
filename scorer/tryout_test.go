package scorer

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/store/mem"
	"github.com/batchscore/batchscore/scorer/store/storetest"
)

// TestTryOutWithTheBatchOfTheJob: a model is tested with the batch size that the job
// will have, before anything is written.
func TestTryOutWithTheBatchOfTheJob(t *testing.T) {
	images := collection(t, 20)
	tried := func(o Options, code error) []int {
		t.Helper()
		var batches []int
		o.TryOut = func(_ context.Context, batch int) error {
			batches = append(batches, batch)
			return code
		}
		if _, err := Run(t.Context(), o); !errors.Is(err, code) {
			t.Fatalf("Run() = %v, want %v", err, code)
		}
		return batches
	}
	out := new(mem.Store)
	given := options(t, images, out)
	given.Job.Batch = 3
	if have := tried(given, models.ErrModel); !slices.Equal(have, []int{3}) {
		t.Errorf("tested with batches of %d, want 3", have)
	}
	if list := storetest.ObjectNames(t, out); len(list) > 0 {
		t.Errorf("the model was refused, but %q were written", list)
	}
	if _, _, err := output.Join(t.Context(), out, given.Job); err != nil {
		t.Fatal(err)
	}
	if have := tried(options(t, images, out), nil); !slices.Equal(have, []int{3}) {
		t.Errorf("joined, and tested with batches of %d, want the 3 of the record", have)
	}
	if have := tried(options(t, images, new(mem.Store)), nil); !slices.Equal(have, []int{newFakeEngine().DefaultBatch()}) {
		t.Errorf("tested with batches of %d, want the default", have)
	}
}

// TestTryOutWithAnothersBatch: a worker tests the batch size that another worker
// recorded before it.
func TestTryOutWithAnothersBatch(t *testing.T) {
	images, out := collection(t, 20), new(mem.Store)
	o := options(t, images, out)
	var batches []int
	o.TryOut = func(ctx context.Context, batch int) error {
		if batches = append(batches, batch); len(batches) > 1 {
			return nil
		}
		first := options(t, images, out).Job
		first.Batch = 2
		if _, _, err := output.Join(ctx, out, first); err != nil {
			t.Error(err)
		}
		return nil
	}
	mustRun(t, o)
	if want := []int{newFakeEngine().DefaultBatch(), 2}; !slices.Equal(batches, want) {
		t.Errorf("tested with batches of %d, want %d", batches, want)
	}
}
