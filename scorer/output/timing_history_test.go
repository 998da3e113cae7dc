package output

import (
	"slices"
	"testing"
	"time"

	"github.com/batchscore/batchscore/shard"
)

// TestHistory computes the rates of twelve chunks of ten images, most of them in the first
// half of the time.
func TestHistory(t *testing.T) {
	started := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	o := &Observer{started: started, chunks: &shard.Chunks{Entries: 120, Size: 10}}
	parts := map[int]time.Time{}
	for chunk, second := range []int{1, 2, 3, 9, 11, 12, 15, 18, 19, 25, 39, 40} {
		parts[chunk] = started.Add(time.Duration(second) * time.Second)
	}
	last := started.Add(40 * time.Second)
	want := []float64{4, 5, 1, 2}
	for name, s := range map[string]*Success{"at work": nil, "complete": {MakespanSeconds: 41}} {
		h := o.history(parts, last, s)
		if h == nil || h.StepSeconds != 10 || !slices.Equal(h.Rates, want) {
			t.Errorf("%s: %+v, want steps of 10 s with %v", name, h, want)
		}
	}
	if h := o.history(parts, last, &Success{MakespanSeconds: 400}); h != nil {
		t.Errorf("parts that were copied: %+v", h)
	}
	delete(parts, 11)
	if h := o.history(parts, last, nil); h != nil {
		t.Errorf("eleven parts: %+v", h)
	}
}
