package patient_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/store/mem"
	"github.com/batchscore/batchscore/scorer/store/patient"
	"github.com/batchscore/batchscore/scorer/store/storetest"
)

// TestFault02_LostAnswers loses the answer of a create that took effect.
func TestFault02_LostAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := new(mem.Store)
		before := false // the first try fails before it takes effect, not after
		st := patient.New(&storetest.Faulty{
			Store: inner,
			BeforeCreate: func(_ context.Context, n int, _ string, _ []byte) error {
				if before && n%2 == 0 {
					return reset()
				}
				return nil
			},
			AfterCreate: func(n int, _ store.Object, err error) error {
				if !before && n%2 == 0 && err == nil {
					return reset()
				}
				return err
			},
		}, patient.Options{})

		o, err := st.Create(t.Context(), "part", []byte("rows"))
		if err != nil {
			t.Fatalf("Create whose answer was lost = %v, want success", err)
		}
		if got, err := read(t.Context(), inner, "part", o.ETag); got != "rows" || err != nil || o.Size != 4 || o.Modified.IsZero() {
			t.Errorf("Create = %+v, and %q is stored, %v; want %q", o, got, err, "rows")
		}
		if s := st.Stats(); s.Settled != 1 || s.Retries != 1 || s.UnderWay != 0 {
			t.Errorf("unexpected statistics: %+v", s)
		}

		before = true
		inner.Put("theirs", []byte("other rows"))
		for _, mine := range []string{"rows, mine", "longer rows of mine"} {
			if _, err := st.Create(t.Context(), "theirs", []byte(mine)); !errors.Is(err, store.ErrExist) {
				t.Errorf("Create of what another created = %v, want ErrExist", err)
			}
		}
		if got, _ := read(t.Context(), inner, "theirs", ""); got != "other rows" {
			t.Errorf("it holds %q, want %q", got, "other rows")
		}
	})
}

// TestFault11_PastTheDeadline lets the place throttle without an end.
func TestFault11_PastTheDeadline(t *testing.T) {
	long := 100 * time.Hour
	for _, test := range []struct {
		name  string
		opt   func() patient.Options
		ctx   time.Duration // deadline of the context
		after time.Duration
		want  time.Duration
	}{
		{name: "default patience", opt: func() patient.Options { return patient.Options{} }, ctx: long, after: 0, want: patient.DefaultPatience},
		{name: "patience", opt: func() patient.Options { return patient.Options{Patience: time.Minute} }, ctx: long, after: 0, want: time.Minute},
		{
			name:  "a deadline replaces patience",
			opt:   func() patient.Options { return patient.Options{Deadline: time.Now().Add(3 * time.Hour)} },
			ctx:   long,
			after: 0,
			want:  3 * time.Hour,
		},
		{name: "both", opt: func() patient.Options {
			return patient.Options{Patience: time.Minute, Deadline: time.Now().Add(3 * time.Hour)}
		}, ctx: long, after: 0, want: time.Minute},
		{name: "the deadline was before", opt: func() patient.Options { return patient.Options{Deadline: time.Now()} }, ctx: long, after: 0, want: 0},
		{name: "the context's deadline", opt: func() patient.Options { return patient.Options{} }, ctx: time.Minute, after: 0, want: time.Minute},
		{
			name:  "retry-after within patience",
			opt:   func() patient.Options { return patient.Options{Patience: time.Hour} },
			ctx:   long,
			after: 25 * time.Minute,
			want:  50 * time.Minute,
		},
		{
			name:  "retry-after past patience",
			opt:   func() patient.Options { return patient.Options{Patience: time.Minute} },
			ctx:   long,
			after: time.Hour,
			want:  0,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin := time.Now()
				refuse := func() error { return busy(test.after) }
				st := patient.New(&storetest.Faulty{
					Store:        new(mem.Store),
					BeforeCreate: func(context.Context, int, string, []byte) error { return refuse() },
					BeforeOpen:   func(context.Context, int, string) error { return refuse() },
				}, test.opt())
				ctx, cancel := context.WithTimeout(t.Context(), test.ctx)
				defer cancel()
				_, err := st.Create(ctx, "part-1", []byte("rows"))
				took := time.Since(begin)
				if !errors.Is(err, store.ErrUnavailable) || !errors.Is(err, errBusy) {
					t.Fatalf("%v, want ErrUnavailable and its cause", err)
				}
				if _, transient := store.AsTransient(err); transient {
					t.Errorf("%v is transient, want a final error", err)
				}
				if took < test.want || took > test.want+time.Second {
					t.Errorf("given up after %v, want %v", took, test.want)
				}
				for _, part := range []string{"part-1", "memory", "tries", "run again"} {
					if !strings.Contains(err.Error(), part) {
						t.Errorf("the message lacks %q: %v", part, err)
					}
				}
				if s := st.Stats(); s.GaveUp != 1 || s.Throttled != s.Calls || s.Calls != s.Retries+1 || s.UnderWay != 0 {
					t.Errorf("unexpected statistics: %+v", s)
				}
			})
		})
	}
}

// TestFault11_AllCallsObeyRetryAfter asks one call to wait; all calls do.
func TestFault11_AllCallsObeyRetryAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		inner := new(mem.Store)
		o := inner.Put("image", []byte("pixels"))
		var mu sync.Mutex
		var at []time.Duration
		st := patient.New(&storetest.Faulty{
			Store: inner,
			BeforeOpen: func(_ context.Context, n int, _ string) error {
				mu.Lock()
				at = append(at, time.Since(begin))
				mu.Unlock()
				if n == 0 {
					return busy(10 * time.Minute)
				}
				return nil
			},
		}, patient.Options{})
		var wg sync.WaitGroup
		for i := range 5 {
			wg.Go(func() {
				time.Sleep(time.Duration(i) * time.Second)
				if got, err := read(t.Context(), st, "image", o.ETag); got != "pixels" || err != nil {
					t.Errorf("read %q, %v; want %q", got, err, "pixels")
				}
			})
		}
		wg.Wait()
		if len(at) != 6 || at[0] != 0 || at[1] < 10*time.Minute {
			t.Errorf("calls were made at %v, want the first at once and 5 after ten minutes", at)
		}
	})
}

// TestFault11_CallsThrottledTogetherCountOnce throttles a wave of calls. The limit
// halves once for the wave, and not for each of its calls.
func TestFault11_CallsThrottledTogetherCountOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := new(mem.Store)
		inner.Put("image", []byte("pixels"))
		st := patient.New(&storetest.Faulty{
			Store: inner,
			BeforeOpen: func(_ context.Context, n int, _ string) error {
				time.Sleep(10 * time.Millisecond)
				if n < 64 {
					return busy(0)
				}
				return nil
			},
		}, patient.Options{Concurrency: 100, Rand: func() float64 { return 0.5 }})
		var wg sync.WaitGroup
		for range 64 {
			wg.Go(func() {
				if got, err := read(t.Context(), st, "image", ""); got != "pixels" || err != nil {
					t.Errorf("read %q, %v; want %q", got, err, "pixels")
				}
			})
		}
		time.Sleep(20 * time.Millisecond)
		if s := st.Stats(); s.Limit != 32 || s.Throttled != 64 {
			t.Errorf("after 64 calls at once were throttled: %+v, want a limit of 32", s)
		}
		wg.Wait()
		if s := st.Stats(); s.Limit < 33 || s.Limit > 34 {
			t.Errorf("after 64 good answers: %+v, want a limit of 33 or 34", s)
		}
	})
}

// TestFault11_APauseEndsWithPatience makes a call wait longer than patience lasts. It
// gives up although it was never made.
func TestFault11_APauseEndsWithPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := patient.New(&storetest.Faulty{
			Store:      new(mem.Store),
			BeforeOpen: func(context.Context, int, string) error { return busy(time.Hour) },
		}, patient.Options{})
		for range 2 {
			if _, err := read(t.Context(), st, "image", ""); !errors.Is(err, store.ErrUnavailable) {
				t.Errorf("%v, want ErrUnavailable", err)
			}
		}
		if s := st.Stats(); s.Calls != 1 || s.GaveUp != 2 || s.UnderWay != 0 {
			t.Errorf("unexpected statistics: %+v", s)
		}
	})
}

// TestFault12_StalledCalls stalls a create, an open and a listing.
func TestFault12_StalledCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := new(mem.Store)
		stall := func(ctx context.Context) error {
			<-ctx.Done()
			return fmt.Errorf("gave up: %w", ctx.Err())
		}
		first := func(ctx context.Context, n int) error {
			if n == 0 {
				return stall(ctx)
			}
			return nil
		}
		st := patient.New(&stallingList{Store: &storetest.Faulty{
			Store:        inner,
			BeforeCreate: func(ctx context.Context, n int, _ string, _ []byte) error { return first(ctx, n) },
			BeforeOpen:   func(ctx context.Context, n int, _ string) error { return first(ctx, n) },
		}, stall: stall}, patient.Options{})
		for _, name := range []string{"a", "b", "c"} {
			if _, err := st.Create(t.Context(), name, []byte("body")); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := read(t.Context(), st, "a", ""); got != "body" || err != nil {
			t.Errorf("read %q, %v; want %q", got, err, "body")
		}
		var names string
		if err := st.List(t.Context(), "", func(o store.Object) error {
			time.Sleep(time.Hour) // a slow listener is no stall
			names += o.Name
			return nil
		}); err != nil || names != "abc" {
			t.Errorf("listed %q, %v; want %q", names, err, "abc")
		}
		if s := st.Stats(); s.Stalls != 3 || s.Retries != 3 || s.UnderWay != 0 {
			t.Errorf("unexpected statistics: %+v", s)
		}
	})
}

// stallingList stalls its first listing after the first object.
type stallingList struct {
	store.Store
	stall func(context.Context) error
	lists int
}

func (s *stallingList) List(ctx context.Context, prefix string, fn func(store.Object) error) error {
	s.lists++
	n := 0
	err := s.Store.List(ctx, prefix, func(o store.Object) error {
		if n++; n == 2 && s.lists == 1 {
			return s.stall(ctx)
		}
		return fn(o)
	})
	return err
}

// TestFault13_DeniedIsNotRetried makes calls fail permanently, as when a token expires:
// each is made once.
func TestFault13_DeniedIsNotRetried(t *testing.T) {
	for _, want := range []error{store.ErrDenied, store.ErrUnavailable, store.ErrUnreadable, store.ErrNotExist, errors.New("bug")} {
		t.Run(want.Error(), func(t *testing.T) {
			refused := fmt.Errorf("HTTP 403: %w", want)
			st := patient.New(&storetest.Faulty{
				Store:        new(mem.Store),
				BeforeCreate: func(context.Context, int, string, []byte) error { return refused },
				BeforeOpen:   func(context.Context, int, string) error { return refused },
				Listed:       func(int, store.Object) (int, error) { return 0, refused },
			}, patient.Options{})
			if _, err := st.Create(t.Context(), "a", nil); err != refused {
				t.Errorf("Create = %v, want %v", err, refused)
			}
			if _, _, err := st.Open(t.Context(), "a", ""); err != refused {
				t.Errorf("Open = %v, want %v", err, refused)
			}
			if s := st.Stats(); s.Calls != 2 || s.Retries != 0 || s.UnderWay != 0 {
				t.Errorf("unexpected statistics: %+v", s)
			}
		})
	}
}

// TestFault25_ListingsAreNeitherCutNorDoubled breaks listings at every object.
func TestFault25_ListingsAreNeitherCutNorDoubled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := new(mem.Store)
		const objects = 200
		for i := range objects {
			inner.Put(fmt.Sprintf("%03d", i), nil)
		}
		deepest := -1
		st := patient.New(&storetest.Faulty{Store: inner, Listed: func(n int, _ store.Object) (int, error) {
			if n > deepest {
				deepest = n
				return 0, reset()
			}
			return 1, nil
		}}, patient.Options{Patience: time.Minute})
		seen := map[string]int{}
		if err := st.List(t.Context(), "", func(o store.Object) error { seen[o.Name]++; return nil }); err != nil {
			t.Fatal(err)
		}
		for name, n := range seen {
			if n != 1 {
				t.Errorf("%s was listed %d times, want once", name, n)
			}
		}
		if len(seen) != objects {
			t.Errorf("%d objects, want %d", len(seen), objects)
		}
	})
}

// TestListReturnsTheListenersError returns an error from the listing's function that
// looks like one worth a retry.
func TestListReturnsTheListenersError(t *testing.T) {
	inner := new(mem.Store)
	inner.Put("a", nil)
	st := patient.New(inner, patient.Options{})
	enough := reset()
	if err := st.List(t.Context(), "", func(store.Object) error { return enough }); err != enough {
		t.Errorf("List = %v, want the error of its function", err)
	}
	if s := st.Stats(); s.Calls != 1 {
		t.Errorf("unexpected statistics: %+v", s)
	}
}

// TestCancelEndsEveryWait cancels calls that pause, wait for the place or wait for a
// slot.
func TestCancelEndsEveryWait(t *testing.T) {
	for _, after := range []time.Duration{0, time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			st := patient.New(&storetest.Faulty{
				Store:      new(mem.Store),
				BeforeOpen: func(context.Context, int, string) error { return busy(after) },
			}, patient.Options{Concurrency: 1})
			ctx, cancel := context.WithCancel(t.Context())
			var wg sync.WaitGroup
			for range 4 {
				wg.Go(func() {
					if _, err := read(ctx, st, "image", ""); !errors.Is(err, context.Canceled) || errors.Is(err, store.ErrUnavailable) {
						t.Errorf("%v, want the context's error", err)
					}
				})
			}
			time.Sleep(7 * time.Second)
			cancel()
			begin := time.Now()
			wg.Wait()
			if took := time.Since(begin); took > 0 || st.Stats().UnderWay != 0 {
				t.Errorf("calls ended %v after the cancel, with the statistics %+v; want at once", took, st.Stats())
			}
		})
	}
}

// TestReaderDoesNotWaitForItself opens a second body while the first holds the
// only slot.
func TestReaderDoesNotWaitForItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := new(mem.Store)
		inner.Put("a", []byte("first"))
		inner.Put("b", []byte("second"))
		st := patient.New(inner, patient.Options{Concurrency: 1})
		r, _, err := st.Open(t.Context(), "a", "")
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		if got, err := read(t.Context(), st, "b", ""); got != "second" || err != nil {
			t.Errorf("read %q, %v; want %q", got, err, "second")
		}
		if got, err := io.ReadAll(r); string(got) != "first" || err != nil {
			t.Errorf("read %q, %v; want %q", got, err, "first")
		}
		if s := st.Stats(); s.UnderWay != 0 {
			t.Errorf("unexpected statistics: %+v", s)
		}
	})
}
