package judge

import (
	"context"
	"fmt"
	"testing"

	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/scratch"
	"github.com/batchscore/batchscore/scorer/store/mem"
	"github.com/batchscore/batchscore/shard"
)

// TestFewNewImages: shares do not apply to fewer than 20 new and changed images of an increment,
// and numbers always do.
func TestFewNewImages(t *testing.T) {
	for _, tt := range []struct {
		limits         string
		images, failed int
		exceeded       bool
		of             string
	}{
		{images: 1, failed: 1},
		{images: 19, failed: 19},
		{images: 20, failed: 3, exceeded: true, of: "10%"},
		{limits: "5%", images: 19, failed: 19},
		{limits: "0%", images: 1, failed: 1},
		{limits: "5%", images: 20, failed: 2, exceeded: true, of: "5%"},
		{limits: "0", images: 1, failed: 1, exceeded: true, of: "0"},
		{limits: "3", images: 5, failed: 3, of: "3"},
		{limits: "corrupt=50%", images: 2, failed: 2},
		{limits: "corrupt=0", images: 2, failed: 1, exceeded: true, of: "corrupt=0"},
		{limits: "5%,corrupt=1", images: 2, failed: 2, exceeded: true, of: "corrupt=1"},
	} {
		l := limits(t, tt.limits).OfIncrement()
		statuses := map[string]int{"corrupt": tt.failed, row.StatusOK: tt.images - tt.failed}
		if got := l.Exceeded("10%", tt.images, statuses); (got != "") != tt.exceeded {
			t.Errorf("%q of %d new images, %d failed: %q, want that it is exceeded: %v", tt.limits, tt.images, tt.failed, got, tt.exceeded)
		}
		if got := l.Of("10%", tt.images); got != tt.of {
			t.Errorf("%q of %d new images: %q, want %q", tt.limits, tt.images, got, tt.of)
		}
	}
	if UnlessAllFail.OfIncrement().Exceeded("", 1, map[string]int{"corrupt": 1}) != "" {
		t.Error("that all of one new image failed counts")
	}
}

// mixed is the manifest of an increment: of chunks of 10, the images of the first half are
// copied, and of the others each 4th is scored again and the rest is new.
func mixed(t *testing.T, n int) *shard.Manifest {
	t.Helper()
	w := shard.NewWriter(scratch.Room())
	for i := range n {
		e := shard.Entry{Path: fmt.Sprintf("%06d.jpg", i), Size: 1}
		switch {
		case i < n/2:
			e.FromOutput = 1
		case i%4 == 0:
			e.Why = shard.Retried
		default:
			e.Why = shard.New
		}
		if err := w.Add(e); err != nil {
			t.Fatal(err)
		}
	}
	m, err := w.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return m
}

// TestOnlyNewImagesAreJudged: what an increment copies and scores again counts neither for how
// many images there are nor for how many have their rows.
func TestOnlyNewImagesAreJudged(t *testing.T) {
	const n = 4000
	chunks := shard.Chunks{Entries: n, Size: 10}
	scope, err := NewOf(chunks, mixed(t, n))
	if err != nil || scope.Images != n/2*3/4 {
		t.Fatalf("%d images count, %v, want %d", scope.Images, err, n/2*3/4)
	}
	w := watcher(new(mem.Store), func() { t.Error("stopped before any new image had its row") })
	w.Chunks, w.Scope, w.Limits = chunks, scope, Limits{}.OfIncrement()
	w.Counter = NewCounter(w.Limits, w.Default, scope.Images, 1)
	w.begin()
	w.Counter.Commit(0, failedRows(151)) // of 1,500, 10% are too many
	tally, suspicious := w.Counter.tally()
	if over, err := w.look(t.Context(), tally, suspicious); over || err != nil || !suspicious {
		t.Errorf("look() = %v, %v, suspicious %v, while only copied rows are done", over, err, suspicious)
	}
	done, err := w.Done(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for i := chunks.Count() / 2; i < chunks.Count()*3/4; i++ {
		done.Add(i)
	}
	most := shard.NewSet(chunks.Count())
	for i := 100; i < chunks.Count(); i++ {
		most.Add(i)
	}
	w.Done = func(context.Context) (*shard.Set, error) { return most, nil }
	if over, err := w.look(t.Context(), tally, suspicious); over || err != nil {
		t.Errorf("look() = %v, %v, while only copied rows are left", over, err)
	}
	w.Done = func(context.Context) (*shard.Set, error) { return done, nil }
	stops := 0
	w.Stop = func(*Stop, string) { stops++ }
	if over, err := w.look(t.Context(), tally, suspicious); !over || err != nil || stops != 1 {
		t.Errorf("look() = %v, %v with half of the new images done and too many failed", over, err)
	}
	if s := w.Past.Stop; s == nil || s.Images != 1500 || s.Done != 750 {
		t.Errorf("the verdict is %+v, want it to be on the new images", s)
	}
}
