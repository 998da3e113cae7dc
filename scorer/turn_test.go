package scorer

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/batchscore/batchscore/models/preprocess/budget"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/store/dir"
	"github.com/batchscore/batchscore/shard"
)

// TestRanksShareTheTurn: the ranks of a machine that write to one place decode images beyond
// their shares one at a time. A rank that is alone, and one of another job, do not wait.
func TestRanksShareTheTurn(t *testing.T) {
	budgetOf := func(out store.Store, ranks int) *budget.Budget {
		o := Options{Out: out, DecodeMemory: 64 << 20, World: shard.World{Size: 2, LocalSize: ranks}}
		return o.withDefaults().Decode.Budget
	}
	folder := func(path string) store.Store {
		st, err := dir.New(path, dir.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return st
	}
	place, other := t.TempDir(), t.TempDir()
	first, second := budgetOf(folder(place), 2), budgetOf(folder(place), 2)
	large := first.Limits().Share + 1
	part, err := first.Take(t.Context(), large)
	if err != nil {
		t.Fatal(err)
	}
	soon, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := second.Take(soon, large); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("two ranks of a machine decode large images at once: %v", err)
	}
	for name, free := range map[string]*budget.Budget{
		"a rank of another job": budgetOf(folder(other), 2), "a rank that is alone": budgetOf(folder(place), 1),
	} {
		own, err := free.Take(t.Context(), free.Limits().Largest)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		free.Give(own)
	}
	first.Give(part)
	if part, err = second.Take(t.Context(), large); err != nil {
		t.Fatal(err)
	}
	second.Give(part)
}
