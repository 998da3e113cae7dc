package scorer

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/store/mem"
	"github.com/batchscore/batchscore/shard"
)

// listed counts the listings of a store, and makes them fail with err if it is not nil.
type listed struct {
	store.Store
	n   int
	err error
}

func (l *listed) List(ctx context.Context, prefix string, fn func(store.Object) error) error {
	l.n++
	if l.err != nil {
		return l.err
	}
	return l.Store.List(ctx, prefix, fn)
}

func objects(t *testing.T, st store.Store) int {
	t.Helper()
	n := 0
	if err := st.List(t.Context(), "", func(store.Object) error { n++; return nil }); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestFault44_ImagesAddedToACompleteJob: who runs a complete job again is told of the
// images that are not in it, and of those that went or changed.
func TestFault44_ImagesAddedToACompleteJob(t *testing.T) {
	images, out := new(mem.Store), new(mem.Store)
	for i := range 30 {
		images.Put(pictureName(i), picture(t, i))
	}
	o := options(t, images, out)
	o.StrictDrift = true
	mustRun(t, o)
	if s := mustRun(t, o); s.Drift == nil || *s.Drift != (output.Drift{}) {
		t.Errorf("Run() again = drift %v, want none", s.Drift)
	}
	want := output.Drift{Added: 2, Removed: 1, Changed: 1}
	images.Put("new a.jpg", picture(t, 40))
	images.Put("new b.jpg", picture(t, 41))
	images.Remove(pictureName(3))
	images.Put(pictureName(4), picture(t, 42))

	s, err := Run(t.Context(), o)
	if s.Drift == nil || s.Drift.Counts() != want || !errors.Is(err, ErrDrifted) ||
		!strings.Contains(err.Error(), `2 images are not in this job: they were added after the images were listed ("new a.jpg", "new b.jpg")`) ||
		!strings.Contains(err.Error(), `1 image of this job was removed since it was listed ("`+pictureName(3)+`")`) ||
		!strings.Contains(err.Error(), `1 image of this job has changed since it was listed ("`+pictureName(4)+`")`) ||
		!strings.Contains(err.Error(), "; to score what is new, use another --out; ") || !strings.Contains(err.Error(), "--rescore-changed") {
		t.Errorf("Run() = drift %v, %v, want %v and ErrDrifted", s.Drift, err, want)
	}
	o.Retry = row.Selection{row.StatusUnreadable} // which no image has
	if s, err := Run(t.Context(), o); s.Drift == nil || s.Drift.Counts() != want || !errors.Is(err, ErrDrifted) {
		t.Errorf("Run() with nothing to score again = drift %v, %v, want %v and ErrDrifted", s.Drift, err, want)
	}
	o.Retry, o.StrictDrift = nil, false
	before := objects(t, out)
	counted := &listed{Store: images}
	o.Images = counted
	if s := mustRun(t, o); s.Drift == nil || s.Drift.Counts() != want || counted.n != 1 {
		t.Errorf("Run() = drift %v after %d listings, want %v after one", s.Drift, counted.n, want)
	}
	o.World, o.StrictDrift = shard.World{Rank: 1, Size: 2, LocalSize: 1}, true
	if s := mustRun(t, o); *s.Drift != (output.Drift{}) || counted.n != 1 {
		t.Errorf("Run() of rank 1 = drift %v after %d listings, want none: rank 0 lists", s.Drift, counted.n-1)
	}
	if after := objects(t, out); after != before {
		t.Errorf("the output has %d objects, want the %d of before", after, before)
	}
}

// TestFault44_AListingThatFails: a complete job stays complete where the images cannot
// be listed again. Only who wants to be sure gets an error.
func TestFault44_AListingThatFails(t *testing.T) {
	images, out := new(mem.Store), new(mem.Store)
	images.Put(pictureName(0), picture(t, 0))
	o := options(t, images, out)
	mustRun(t, o)
	o.Images = &listed{Store: images, err: store.ErrDenied}
	if s := mustRun(t, o); s.Drift != nil || s.Images != 1 {
		t.Errorf("Run() = %+v, want a success without drift", s)
	}
	o.StrictDrift = true
	if _, err := Run(t.Context(), o); !errors.Is(err, store.ErrDenied) {
		t.Errorf("Run() = %v, want the error of the listing", err)
	}
}

// TestFault44_ImagesAddedWhileAJobRuns: the run that completes the job tells, too.
func TestFault44_ImagesAddedWhileAJobRuns(t *testing.T) {
	images, out := new(mem.Store), new(mem.Store)
	images.Put(pictureName(0), picture(t, 0))
	o := options(t, images, out)
	frozenWith(t, o)
	images.Put(pictureName(1), picture(t, 1))
	o.StrictDrift = true
	if s, err := Run(t.Context(), o); !errors.Is(err, ErrDrifted) || s.Images != 1 || s.Drift.Counts() != (output.Drift{Added: 1}) {
		t.Errorf("Run() = %+v, %v, want ErrDrifted", s.Drift, err)
	}
}

// TestFault15_AChangedImageOfACompleteJob: images that were replaced once the job was
// complete are scored again, and no others, whatever their rows say.
func TestFault15_AChangedImageOfACompleteJob(t *testing.T) {
	for _, f := range []row.Format{row.JSONL, row.CSV, row.Parquet} {
		for _, ranks := range []int{1, 3} {
			t.Run(fmt.Sprintf("%s, %d ranks", f, ranks), func(t *testing.T) {
				images, out := new(mem.Store), new(mem.Store)
				for i := range 40 {
					images.Put(pictureName(i), picture(t, i))
				}
				images.Put("empty.jpg", nil)
				o := options(t, images, out)
				o.Job.Format = f
				mustRun(t, o)
				o.Retry = row.Selection{row.StatusChanged}
				if s := mustRun(t, o); s.Generation() != 0 {
					t.Fatalf("a retry began, generation %d, but no image has changed", s.Generation())
				}
				images.Put(pictureName(4), picture(t, 99))
				images.Put(pictureName(30), picture(t, 100))
				images.Put("added.jpg", picture(t, 101))
				var group sync.WaitGroup
				for rank := range ranks {
					o := o
					o.World = shard.World{Rank: rank, Size: ranks, LocalSize: 1}
					group.Go(func() {
						if s, err := Run(context.Background(), o); err != nil || s.Generation() != 1 || s.Retry.Images != 2 {
							t.Errorf("rank %d: %v, retry %+v, want one of 2 images", rank, err, s.Retry)
						}
					})
				}
				group.Wait()
				verified(t, out)
				s, err := output.ReadSuccess(t.Context(), out)
				if err != nil || *s.Drift != (output.Drift{Added: 1}) {
					t.Errorf("the drift is %+v, %v, want one image added", s.Drift, err)
				}
				images.Remove("added.jpg")
				if mergedText(t, out) != fresh(t, images, f) {
					t.Error("the merged rows are not those of a fresh run over the changed collection")
				}
			})
		}
	}
}
