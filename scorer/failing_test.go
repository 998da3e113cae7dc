package scorer

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/batchscore/batchscore/scorer/judge"
	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/store/mem"
	"github.com/batchscore/batchscore/shard"
)

// patientImages gives that many images, and the others once a verdict is in out: however
// quick the machine is, the ranks judge before they are done.
type patientImages struct {
	store.Store
	out   store.Store
	first int64
	given atomic.Int64
}

func (p *patientImages) Open(ctx context.Context, name, etag string) (readCloser, store.Object, error) {
	for deadline := time.Now().Add(time.Minute); p.given.Add(1) > p.first && time.Now().Before(deadline) && !stopExists(p.out); {
		time.Sleep(5 * time.Millisecond)
	}
	return p.Store.Open(ctx, name, etag)
}

func stopExists(out store.Store) bool {
	found := false
	_ = store.Names(context.Background(), out, "_batchscore/failures/stop.", func(string) error {
		found = true
		return nil
	})
	return found
}

// partly returns a store of n pictures, of which those that bad reports are broken.
func partly(t testing.TB, n int, bad func(i int) bool) *mem.Store {
	t.Helper()
	st, good := new(mem.Store), picture(t, 1)
	for i := range n {
		body := good
		if bad(i) {
			body = []byte("broken")
		}
		put(t, st, fmt.Sprintf("%06d.jpg", i), body)
	}
	return st
}

// ranks runs a job on that many ranks and returns their errors.
func ranks(world int, of func(rank int) Options) []error {
	errs := make([]error, world)
	var all sync.WaitGroup
	for rank := range world {
		all.Go(func() {
			o := of(rank)
			o.World = shard.World{Rank: rank, Size: world, LocalSize: 1}
			o.judging = 2 * time.Millisecond
			_, errs[rank] = Run(context.Background(), o)
		})
	}
	all.Wait()
	return errs
}

// parts counts the parts of a job.
func parts(t testing.TB, out store.Store) int {
	t.Helper()
	n := 0
	if err := store.Names(t.Context(), out, "part-", func(string) error { n++; return nil }); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestFault51_AFailingJobStops: all ranks stop with the reason, the same command started again ends
// at once, and the job continues when it is told to.
func TestFault51_AFailingJobStops(t *testing.T) {
	t.Parallel()
	const n = 2000
	for _, tt := range []struct {
		name  string
		world int
		bad   func(i int) bool
	}{
		{name: "all images of 4 ranks", world: 4, bad: func(int) bool { return true }},
		{name: "all images of one rank", world: 1, bad: func(int) bool { return true }},
		{name: "all images of one of two ranks", world: 2, bad: func(i int) bool { return i < n/2 }},
		{name: "every other image", world: 2, bad: func(i int) bool { return i%2 == 0 }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			images, out := partly(t, n, tt.bad), new(mem.Store)
			of := func(images store.Store, more ...func(*Options)) func(int) Options {
				return func(int) Options {
					o := options(t, images, out)
					o.MaxErrors = judge.Limits{}
					for _, m := range more {
						m(&o)
					}
					return o
				}
			}
			slow := &patientImages{Store: images, out: out, first: 1400}
			for rank, err := range ranks(tt.world, of(slow)) {
				if !errors.Is(err, ErrFailing) || errors.Is(err, ErrTooManyFailed) {
					t.Fatalf("rank %d ended with %v, want ErrFailing", rank, err)
				}
				for _, want := range []string{" so far (not_image ", "and of all 2000 at most 10% are allowed", ".jpg: not_image: ", "--status not_image",
					"--retry failed", "--max-errors", "with another --out"} {
					if !strings.Contains(err.Error(), want) {
						t.Errorf("rank %d says %q, without %q", rank, err, want)
					}
				}
				if n := strings.Count(err.Error(), ".jpg: not_image: "); n != 3 {
					t.Errorf("rank %d names %d examples, want 3", rank, n)
				}
			}
			before := parts(t, out)
			if before < judge.Least/10 || before >= n/10 {
				t.Errorf("%d parts exist of %d", before, n/10)
			}
			all, err := output.ReadSummaries(t.Context(), out)
			if err != nil || len(all) != tt.world || all[0].End != output.EndFailing {
				t.Errorf("the summaries are %+v, %v", all, err)
			}

			t.Log("the same command again")
			for _, retry := range []row.Selection{nil, {row.AnyFailure}} {
				again := of(images, func(o *Options) {
					o.OpenEngine = func() (Engine, error) { t.Error("the model was loaded"); return newFakeEngine(), nil }
					o.Retry = retry
				})
				for _, err := range ranks(tt.world, again) {
					if !errors.Is(err, ErrFailing) || retry != nil && !strings.Contains(err.Error(), "fail as before") {
						t.Errorf("the same command with the retry %v ended with %v, want ErrFailing", retry, err)
					}
				}
				if now := parts(t, out); now != before {
					t.Errorf("the same command made %d parts", now-before)
				}
			}

			t.Log("the cause is gone")
			good := partly(t, n, func(int) bool { return false })
			again := of(good, func(o *Options) { o.Retry = row.Selection{row.AnyFailure} })
			for rank, err := range ranks(tt.world, again) {
				if err != nil {
					t.Errorf("rank %d ended with %v", rank, err)
				}
			}
			s, err := output.ReadSuccess(t.Context(), out)
			if err != nil || s.Statuses[row.StatusOK] != n {
				t.Errorf("_SUCCESS says %+v, %v", s.Statuses, err)
			}
		})
	}
}

// TestFault51_AStoppedJobContinues: with a larger limit the job continues, to the rows of a job that was
// never stopped, and with a limit that its verdict exceeds, too, it does not.
func TestFault51_AStoppedJobContinues(t *testing.T) {
	t.Parallel()
	images, out, whole := partly(t, 2000, func(i int) bool { return i%3 > 0 }), new(mem.Store), new(mem.Store)
	slow := &patientImages{Store: images, out: out, first: 1400}
	run := func(limits string, images, out store.Store) error {
		l, err := judge.ParseLimits(limits)
		if err != nil {
			t.Fatal(err)
		}
		return errors.Join(ranks(3, func(int) Options {
			o := options(t, images, out)
			o.MaxErrors = l
			return o
		})...)
	}
	if err := run("truncated=50%", slow, out); !errors.Is(err, ErrFailing) {
		t.Fatalf("the job ended with %v, want ErrFailing", err)
	}
	before := parts(t, out)
	if err := run("10", images, out); !errors.Is(err, ErrFailing) || parts(t, out) != before {
		t.Errorf("with a smaller limit it ended with %v and %d more parts", err, parts(t, out)-before)
	}
	if err := run("0,not_image=100%", images, out); err != nil {
		t.Errorf("with a limit for the one status it ended with %v", err)
	}
	if err := run("100%", images, whole); err != nil {
		t.Fatal(err)
	}
	if mergedText(t, out) != mergedText(t, whole) {
		t.Error("the rows of the job that was stopped differ from those of one that was not")
	}
	if err := run("truncated=50%", images, out); !errors.Is(err, ErrTooManyFailed) || errors.Is(err, ErrFailing) {
		t.Errorf("the complete job ended with %v, want ErrTooManyFailed", err)
	}
}

// failureCalls counts calls about failures.
type failureCalls struct {
	store.Store
	lists, others atomic.Int64
}

func (f *failureCalls) List(ctx context.Context, prefix string, fn func(store.Object) error) error {
	if strings.HasPrefix(prefix, "_batchscore/failures/") {
		f.lists.Add(1)
	}
	return f.Store.List(ctx, prefix, fn)
}

func (f *failureCalls) Create(ctx context.Context, name string, body []byte) (store.Object, error) {
	if strings.HasPrefix(name, "_batchscore/failures/") {
		f.others.Add(1)
	}
	return f.Store.Create(ctx, name, body)
}

// TestAJobWithoutFailuresJudgesForNothing: it writes nothing about failures, and looks for
// those of others hardly ever.
func TestAJobWithoutFailuresJudgesForNothing(t *testing.T) {
	t.Parallel()
	for _, bad := range []int{0, 40} { // 2% of the images, where 10% may fail
		out := &failureCalls{Store: new(mem.Store)}
		o := options(t, partly(t, 2000, func(i int) bool { return i%50 == 0 && i/50 < bad }), out)
		o.MaxErrors = judge.Limits{}
		if bad > 0 { // and looks often
			o.judging = time.Millisecond
		}
		if s := mustRun(t, o); s.Failed != bad {
			t.Errorf("%d images failed, want %d", s.Failed, bad)
		}
		if out.others.Load() > 0 || out.lists.Load() > 2 && bad == 0 {
			t.Errorf("with %d failures: %d objects and %d listings of failures", bad, out.others.Load(), out.lists.Load())
		}
	}
}
