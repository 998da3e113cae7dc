package scorer

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/batchscore/batchscore/scorer/listing"
	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/store/mem"
	"github.com/batchscore/batchscore/scorer/store/storetest"
)

// twoNights plays two nights, of which the second has few own rows, and returns options of a third
// one that scores, retries, renames and copies.
func twoNights(t *testing.T) (images, whole *mem.Store, third func(out store.Store) Options) {
	t.Helper()
	images, whole = &mem.Store{MD5: true}, new(mem.Store)
	for i := range 40 {
		images.Put(pictureName(i), picture(t, i))
	}
	images.Put("bad.jpg", []byte("no picture"))
	mustRun(t, after(t, images, whole, 1))
	images.Put("second.jpg", picture(t, 60))
	images.Put("second bad.jpg", []byte("no picture either"))
	mustRun(t, after(t, images, whole, 2))
	images.Put("third.jpg", picture(t, 70))
	images.Put(pictureName(5), picture(t, 71))
	images.Remove(pictureName(6))
	images.Remove(pictureName(7))
	images.Put("moved.jpg", picture(t, 7))
	return images, whole, func(out store.Store) Options {
		o := after(t, images, whole, 3)
		o.Out, o.After.ReuseByContent, o.Retry = out, true, row.Selection{"not_image"}
		return o
	}
}

// fullRows returns the rows of a job that scores all images.
func fullRows(t *testing.T, images store.Store) string {
	t.Helper()
	full := new(mem.Store)
	mustRun(t, options(t, images, full))
	return wholeMerge(t, full, row.JSONL)
}

// TestFault52_ANightThatDiesAnywhere lets a night die at each of its writes in turn, before and after it
// takes effect. Another number of ranks completes it.
func TestFault52_ANightThatDiesAnywhere(t *testing.T) {
	images, begun, third := twoNights(t)
	want := fullRows(t, images)
	for writes := 1; ; writes++ {
		ended := false
		for _, last := range []bool{false, true} {
			whole, later := clone(t, begun)
			out := night(whole, 3)
			_, err := Run(t.Context(), third(mortal(out, writes, last)))
			ended = err == nil
			if err != nil && !errors.Is(err, errPower) {
				t.Fatalf("write %d: %v", writes, err)
			}
			later()
			for rank, err := range ranks(1+writes%3, func(int) Options { return third(out) }) {
				if err != nil {
					t.Fatalf("write %d: rank %d: %v", writes, rank, err)
				}
			}
			if got := wholeMerge(t, out, row.JSONL); got != want {
				t.Fatalf("write %d: the rows are not those of a job that scores all:\n%s\nwant\n%s", writes, got, want)
			}
			s, err := output.ReadSuccess(t.Context(), out)
			if err != nil {
				t.Fatal(err)
			}
			if i := s.Increment; i == nil || i.New != 1 || i.Changed != 1 || i.Retried != 2 || i.Renamed != 1 || i.Gone != 2 || i.Copied != 1 {
				t.Fatalf("write %d: %+v", writes, s.Increment)
			}
		}
		if ended {
			if writes < 10 {
				t.Errorf("a night made %d writes, want at least 10", writes)
			}
			break
		}
	}
}

// hidden is a store that lists one object less.
type hidden struct {
	store.Store
	name string
}

func (h hidden) List(ctx context.Context, prefix string, fn func(store.Object) error) error {
	return h.Store.List(ctx, prefix, func(o store.Object) error {
		if o.Name == h.name {
			return nil
		}
		return fn(o)
	})
}

// pairs has two workers wait for each other before they create an object of these names.
type pairs struct {
	mu   sync.Mutex
	came map[string]chan struct{}
}

func (p *pairs) meet(ctx context.Context, name string) {
	switch name {
	case "_batchscore/job.json", "_batchscore/collection.jsonl", "_batchscore/gone.jsonl", "_batchscore/manifest.jsonl":
	default:
		return
	}
	p.mu.Lock()
	other, second := p.came[name]
	if second {
		close(other)
	} else {
		other = make(chan struct{})
		p.came[name] = other
	}
	p.mu.Unlock()
	if second {
		return
	}
	select {
	case <-other:
	case <-ctx.Done():
	}
}

// TestFault52_TwoWorkersDeriveAtOnce: two workers have listed other images, and each has planned its own
// night, before either writes. Both take part in one job, whatever wins.
func TestFault52_TwoWorkersDeriveAtOnce(t *testing.T) {
	images, begun, third := twoNights(t)
	less := hidden{images, "third.jpg"}
	valid := []string{fullRows(t, images), fullRows(t, less)}
	for range 20 {
		whole, _ := clone(t, begun)
		met := &pairs{came: map[string]chan struct{}{}}
		var g errgroup.Group
		for i, seen := range []store.Store{images, less} {
			g.Go(func() error {
				o := third(&storetest.Faulty{Store: night(whole, 3), BeforeCreate: func(ctx context.Context, _ int, name string, _ []byte) error {
					met.meet(ctx, name)
					return nil
				}})
				o.Images = seen
				if _, err := Run(t.Context(), o); err != nil {
					return fmt.Errorf("worker %d: %w", i, err)
				}
				return nil
			})
		}
		if err := g.Wait(); err != nil {
			t.Fatal(err)
		}
		if len(met.came) != 4 {
			t.Fatalf("the workers met before %d writes, want 4", len(met.came))
		}
		if got := wholeMerge(t, night(whole, 3), row.JSONL); got != valid[0] && got != valid[1] {
			t.Fatalf("the rows are those of neither listing:\n%s", got)
		}
	}
}

// TestFault52_SourceChangesWhileItIsCopied: an output whose rows are copied is damaged or vanishes before the
// night begins to copy. The night says so and ends, and continues once it is back.
func TestFault52_SourceChangesWhileItIsCopied(t *testing.T) {
	images, begun, third := twoNights(t)
	want := fullRows(t, images)
	const source = "runs/night-0002/"
	for _, tt := range []struct {
		name, says string
		harm       func(t *testing.T, whole *mem.Store)
	}{
		{name: "gone", says: "is gone", harm: func(t *testing.T, whole *mem.Store) {
			for _, name := range storetest.ObjectNames(t, whole) {
				if strings.HasPrefix(name, source) {
					whole.Remove(name)
				}
			}
		}},
		{name: "incomplete", says: "is gone or no longer complete", harm: func(_ *testing.T, whole *mem.Store) {
			whole.Remove(source + "_SUCCESS")
		}},
		{name: "another job", says: "has changed since", harm: func(t *testing.T, whole *mem.Store) {
			for _, name := range storetest.ObjectNames(t, whole) {
				if rest, ok := strings.CutPrefix(name, "runs/night-0001/"); ok {
					whole.Put(source+rest, []byte(object(t, whole, name)))
				}
			}
		}},
		{name: "a part is other", says: "has changed since the job completed", harm: func(t *testing.T, whole *mem.Store) {
			for _, name := range storetest.ObjectNames(t, whole) {
				if strings.HasPrefix(name, source+"part-") {
					whole.Put(name, []byte(strings.Replace(object(t, whole, name), `"not_image"`, `"truncated"`, 1)))
				}
			}
		}},
		{name: "its digests are gone", says: "parts.sha256 is gone from", harm: func(_ *testing.T, whole *mem.Store) {
			whole.Remove(source + "_batchscore/parts.sha256")
		}},
		{name: "a part is gone", says: "is gone from", harm: func(t *testing.T, whole *mem.Store) {
			for _, name := range storetest.ObjectNames(t, whole) {
				if strings.HasPrefix(name, source+"part-") {
					whole.Remove(name)
				}
			}
		}},
	} {
		for _, when := range []string{"_batchscore/manifest.jsonl", "_batchscore/collection.jsonl"} {
			t.Run(tt.name+", after "+when, func(t *testing.T) {
				whole, later := clone(t, begun)
				out := night(whole, 3)
				died := false
				_, err := Run(t.Context(), third(&storetest.Faulty{Store: out, BeforeCreate: func(_ context.Context, _ int, name string, _ []byte) error {
					if died {
						return errPower
					}
					died = name == when
					return nil
				}}))
				if !errors.Is(err, errPower) {
					t.Fatalf("the night ended with %v", err)
				}
				later()
				intact, _ := clone(t, whole)
				tt.harm(t, whole)
				_, err = Run(t.Context(), third(out))
				if !errors.Is(err, output.ErrMismatch) || !strings.Contains(err.Error(), tt.says) || !strings.Contains(err.Error(), "night-0002") {
					t.Errorf("Run() = %v, want ErrMismatch with %q", err, tt.says)
				}
				if _, err := output.ReadSuccess(t.Context(), out); !errors.Is(err, store.ErrNotExist) {
					t.Errorf("the night is complete: %v", err)
				}
				for _, name := range storetest.ObjectNames(t, intact) {
					if strings.HasPrefix(name, source) {
						whole.Put(name, []byte(object(t, intact, name)))
					}
				}
				later()
				mustRun(t, third(out))
				if wholeMerge(t, out, row.JSONL) != want {
					t.Error("the rows are not those of a job that scores all")
				}
			})
		}
	}
}

// TestFault52_NightsThatAreRefused: a night does not begin after an output that is not complete, nor if there
// are no images, as where they are not mounted.
func TestFault52_NightsThatAreRefused(t *testing.T) {
	images, whole, third := twoNights(t)
	names := storetest.ObjectNames(t, whole)
	for _, tt := range []struct {
		name, says string
		kind       error
		asked      func(o *Options)
		prepare    func()
	}{
		{name: "incomplete", kind: output.ErrIncomplete, says: "night-0002 has no _SUCCESS; run its command again to finish it",
			asked:   func(o *Options) { o.After.Place = "memory/runs/night-0002" },
			prepare: func() { whole.Remove("runs/night-0002/_SUCCESS") }},
		{name: "itself", kind: store.ErrNotExist, says: "is the output of this job",
			asked: func(o *Options) { o.After.Place = "memory/runs/night-0003" }},
		{name: "no output", says: "is neither an output nor a folder with a complete one",
			asked: func(o *Options) { o.After.Place = "memory/elsewhere" }},
		{name: "no images", kind: listing.ErrNoImages, says: "no images",
			asked: func(o *Options) { o.Images = new(mem.Store) }},
	} {
		success := object(t, whole, "runs/night-0002/_SUCCESS")
		if tt.prepare != nil {
			tt.prepare()
		}
		o := third(night(whole, 3))
		tt.asked(&o)
		_, err := Run(t.Context(), o)
		if err == nil || !strings.Contains(err.Error(), tt.says) || tt.kind != nil && tt.kind != store.ErrNotExist && !errors.Is(err, tt.kind) {
			t.Errorf("%s: Run() = %v, want %v with %q", tt.name, err, tt.kind, tt.says)
		}
		whole.Put("runs/night-0002/_SUCCESS", []byte(success))
		if got := storetest.ObjectNames(t, whole); len(got) != len(names) {
			t.Errorf("%s: something was written: %d objects, not %d", tt.name, len(got), len(names))
		}
	}
	mustRun(t, third(night(whole, 3)))
	if wholeMerge(t, night(whole, 3), row.JSONL) != fullRows(t, images) {
		t.Error("the rows are not those of a job that scores all")
	}
}

// TestFault52_KilledAtEveryPoint kills a night in folders with SIGKILL at each named point. Another number
// of ranks completes it, copied rows included.
func TestFault52_KilledAtEveryPoint(t *testing.T) {
	in := t.TempDir()
	for i := range 40 {
		put(t, open(in), pictureName(i), picture(t, i))
	}
	begin := func(runs, out string) Options {
		o := options(t, open(in), open(out))
		o.After = &After{Place: runs}
		return o
	}
	var points []string
	runs := map[string]string{}
	for _, point := range []string{"claim", "read", "infer", "commit"} {
		for _, when := range []string{"before-", "after-"} {
			points = append(points, when+point)
			runs[when+point] = t.TempDir()
		}
	}
	for n, names := range [][]string{nil, {"second.jpg"}} {
		for i, name := range names {
			put(t, open(in), name, picture(t, 50+i))
		}
		for _, folder := range runs {
			mustRun(t, begin(folder, filepath.Join(folder, fmt.Sprint(n))))
		}
	}
	for i := range 20 {
		put(t, open(in), fmt.Sprintf("third %d.jpg", i), picture(t, 60+i))
	}
	alone := t.TempDir()
	mustRun(t, options(t, open(in), open(alone)))
	want := wholeMerge(t, open(alone), row.JSONL)
	for i, point := range points {
		t.Run(point, func(t *testing.T) {
			t.Parallel()
			out := filepath.Join(runs[point], "2")
			kill(t, point, 2, in, out, t.TempDir()+"/trace", victimAfter+"="+runs[point])
			for rank, err := range ranks(1+i%3, func(int) Options { return begin(runs[point], out) }) {
				if err != nil {
					t.Fatalf("rank %d: %v", rank, err)
				}
			}
			if wholeMerge(t, open(out), row.JSONL) != want {
				t.Error("the rows are not those of a job that scores all")
			}
			if s, err := output.ReadSuccess(t.Context(), open(out)); err != nil || s.Increment == nil || s.Increment.New != 20 || s.Increment.Copied != 1 {
				t.Errorf("%+v, %v", s.Increment, err)
			}
		})
	}
}
