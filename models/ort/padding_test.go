package ort

import (
	"slices"
	"testing"

	"github.com/batchscore/batchscore/models/graph/graphtest"
)

// padding opens an engine on the CPU that computes batches as one on a GPU does.
func padding(t testing.TB, o graphtest.Options, opt Options) *Engine {
	e := open(t, tiny(t, o), opt)
	e.pads = true
	return e
}

// Every call computes the whole batch, so the bits of an image do not depend on how many
// others are scored with it.
func TestBitsDoNotDependOnHowFullABatchIs(t *testing.T) {
	const size = 8
	for _, o := range []graphtest.Options{{Work: 1}, {Input: graphtest.FloatImage}} {
		e := padding(t, o, Options{})
		c := &e.model.Contract
		b := newBatch(t, e, size)
		for i := range size {
			fill(b, c, i, i)
		}
		if err := e.Score(t.Context(), b, 0, size); err != nil {
			t.Fatal(err)
		}
		full := rows(b, c.Classes)
		if n := len(b.Engine.(*batch).windows); n != 1 || len(e.spare) != 0 {
			t.Errorf("%d windows over a full batch and %d spare batches, want 1 and 0", n, len(e.spare))
		}
		const untouched = -5
		for lo := range size {
			for hi := lo + 1; hi <= size; hi++ {
				for i := range b.Scores {
					b.Scores[i] = untouched
				}
				if err := e.Score(t.Context(), b, lo, hi); err != nil {
					t.Fatal(err)
				}
				for i, row := range rows(b, c.Classes) {
					want := full[i]
					if i < lo || i >= hi {
						want = slices.Repeat([]float32{untouched}, c.Classes)
					}
					if !equalBits(row, want) {
						t.Fatalf("%+v: after images %d to %d, row %d is %v, want %v", o, lo, hi, i, row, want)
					}
				}
			}
		}
		if n := len(b.Engine.(*batch).windows); n != 1 {
			t.Errorf("%d windows of the batch, want 1: other ranges are filled up elsewhere", n)
		}
		if len(e.spare) != 1 || e.spare[0].capacity != size {
			t.Errorf("%d spare batches, want one of %d images", len(e.spare), size)
		}
	}
}

// A smaller Size, after the device ran out of memory, is computed from then on, in several
// calls where need be. A Size above the capacity fills up to that.
func TestSizeOfABatch(t *testing.T) {
	e := padding(t, graphtest.Options{}, Options{Lanes: 1})
	c := &e.model.Contract
	b := newBatch(t, e, 8)
	for i := range 8 {
		fill(b, c, i, i)
	}
	for _, s := range []struct {
		size, hi int
		windows  []span // of the batch itself
		spare    int    // size of the spare batch
	}{
		{size: 0, hi: 8, windows: []span{{0, 8}}},
		{size: 4, hi: 7, windows: []span{{0, 4}, {0, 8}}, spare: 4},
		{size: 2, hi: 3, windows: []span{{0, 2}, {0, 4}, {0, 8}}, spare: 2},
		{size: 16, hi: 8, windows: []span{{0, 2}, {0, 4}, {0, 8}}, spare: 16},
	} {
		b.Size = s.size
		if err := e.Score(t.Context(), b, 0, s.hi); err != nil {
			t.Fatal(err)
		}
		var got []span
		for w := range b.Engine.(*batch).windows {
			got = append(got, w)
		}
		slices.SortFunc(got, func(a, b span) int { return a.hi - b.hi })
		if !slices.Equal(got, s.windows) {
			t.Errorf("size %d: windows %v, want %v", s.size, got, s.windows)
		}
		switch {
		case s.spare == 0 && len(e.spare) > 0, s.spare > 0 && (len(e.spare) != 1 || e.spare[0].capacity != s.spare):
			t.Errorf("size %d: %d spare batches, want one of %d images", s.size, len(e.spare), s.spare)
		}
	}
}

// The probe of an engine that pads has the size of the run's batch, and its memory serves
// to fill up incomplete batches.
func TestProbeHasTheSizeOfTheRun(t *testing.T) {
	e := padding(t, graphtest.Options{}, Options{Lanes: 1})
	before := len(e.batches)
	if err := e.probe(32); err != nil {
		t.Fatal(err)
	}
	if len(e.batches) != before || len(e.spare) != 1 || e.spare[0].capacity != 32 {
		t.Fatalf("%d batches after the probe, %d before; %d spare ones", len(e.batches), before, len(e.spare))
	}
	own := e.spare[0]
	if len(own.windows) != 1 || own.windows[span{0, 32}] == nil {
		t.Errorf("windows %v, want one of 32 images", own.windows)
	}
	b := newBatch(t, e, 32)
	if err := e.Score(t.Context(), b, 0, 5); err != nil {
		t.Fatal(err)
	}
	if len(e.spare) != 1 || e.spare[0] != own {
		t.Error("an incomplete batch was not filled up in the memory of the probe")
	}
}

// Rows are checked in batches of the run's size.
func TestCheckRowsHasTheSizeOfTheRun(t *testing.T) {
	e := padding(t, graphtest.Options{}, Options{Lanes: 1})
	if err := e.CheckRows(t.Context(), 64, nil); err != nil {
		t.Fatal(err)
	}
	for _, b := range append(slices.Clone(e.batches[1:]), e.spare...) { // the first is that of the probe
		for w := range b.windows {
			if w.hi-w.lo != 64 {
				t.Errorf("a call of %d images, want 64", w.hi-w.lo)
			}
		}
	}
}
