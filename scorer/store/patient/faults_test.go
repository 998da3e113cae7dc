package patient_test

import (
	"bytes"
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
			t.Fatalf("a create whose answer was lost: %v", err)
		}
		if got, err := read(t.Context(), inner, "part", o.ETag); got != "rows" || err != nil || o.Size != 4 || o.Modified.IsZero() {
			t.Errorf("%+v is said to be stored, and %q is, %v", o, got, err)
		}
		if s := st.Stats(); s.Settled != 1 || s.Retries != 1 || s.UnderWay != 0 {
			t.Errorf("counted are %+v", s)
		}

		before = true
		inner.Put("theirs", []byte("other rows"))
		for _, mine := range []string{"rows, mine", "longer rows of mine"} {
			if _, err := st.Create(t.Context(), "theirs", []byte(mine)); !errors.Is(err, store.ErrExist) {
				t.Errorf("another's object was in the way: %v, want ErrExist", err)
			}
		}
		if got, _ := read(t.Context(), inner, "theirs", ""); got != "other rows" {
			t.Errorf("it holds %q now", got)
		}
	})
}

// TestFault11_PastTheDeadline lets the place throttle for good.
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
					t.Errorf("%v asks for another try", err)
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
					t.Errorf("counted are %+v", s)
				}
			})
		})
	}
}

// TestFault11_LeavesAloneWhatAsksForIt: what one call is told, all obey.
func TestFault11_LeavesAloneWhatAsksForIt(t *testing.T) {
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
					t.Errorf("%q, %v", got, err)
				}
			})
		}
		wg.Wait()
		if len(at) != 6 || at[0] != 0 || at[1] < 10*time.Minute {
			t.Errorf("the place was asked at %v", at)
		}
	})
}

// TestFault11_CallsThrottledTogetherCountOnce: the limit halves for each wave,
// and not for each call of a wave.
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
					t.Errorf("%q, %v", got, err)
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

// TestFault11_AGateEndsWithPatience: a call that was never made gives up too.
func TestFault11_AGateEndsWithPatience(t *testing.T) {
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
			t.Errorf("counted are %+v", s)
		}
	})
}

// shaky is a body that breaks once at some byte.
type shaky struct {
	io.ReadCloser
	ctx  context.Context //nolint:containedctx // a reader is bound to the context it was opened with
	left int
	how  string
}

func (s *shaky) Read(p []byte) (int, error) {
	if s.left > 0 {
		n, err := s.ReadCloser.Read(p[:min(len(p), s.left)])
		s.left -= n
		return n, err
	}
	switch s.how {
	case "reset":
		return 0, reset()
	case "truncated":
		return 0, io.EOF
	case "cut off":
		return 0, io.ErrUnexpectedEOF
	}
	<-s.ctx.Done()
	return 0, s.ctx.Err()
}

// shakyStore breaks bodies at the bytes of breaks, one after the other; with
// ranges it is a store.Ranger.
type shakyStore struct {
	*mem.Store
	how     string
	breaks  []int
	opened  []int64 // offsets
	between func()  // runs when a body has broken
}

func (s *shakyStore) Open(ctx context.Context, name, etag string) (io.ReadCloser, store.Object, error) {
	return s.at(ctx, name, etag, 0)
}

func (s *shakyStore) at(ctx context.Context, name, etag string, offset int64) (io.ReadCloser, store.Object, error) {
	if len(s.opened) > 0 && s.between != nil {
		s.between()
	}
	s.opened = append(s.opened, offset)
	r, o, err := s.Store.Open(ctx, name, etag)
	if err != nil {
		return r, o, err
	}
	if _, err := io.CopyN(io.Discard, r, offset); err != nil {
		return nil, o, err
	}
	if len(s.breaks) > 0 {
		r = &shaky{ReadCloser: r, ctx: ctx, left: s.breaks[0] - int(offset), how: s.how}
		s.breaks = s.breaks[1:]
	}
	return r, o, nil
}

type shakyRanger struct{ *shakyStore }

func (s shakyRanger) OpenAt(ctx context.Context, name, etag string, offset int64) (io.ReadCloser, store.Object, error) {
	if etag == "" {
		return nil, store.Object{}, errors.New("an offset without an ETag")
	}
	return s.at(ctx, name, etag, offset)
}

const bodySize = 100_000

func someBody(seed byte) []byte {
	b := make([]byte, bodySize)
	for i := range b {
		b[i] = byte(i*7+i>>8) + seed
	}
	return b
}

func places(t *testing.T, test func(t *testing.T, s *shakyStore, st store.Store)) {
	for _, ranges := range []bool{true, false} {
		for _, how := range []string{"reset", "stall", "truncated", "cut off"} {
			t.Run(fmt.Sprintf("%s/ranges=%v", how, ranges), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := &shakyStore{Store: new(mem.Store), how: how}
					var inner store.Store = s
					if ranges {
						inner = shakyRanger{s}
					}
					test(t, s, inner)
				})
			})
		}
	}
}

// TestFault12_BrokenBodies breaks a body at its first byte, in the middle, at its
// last, and when all have come.
func TestFault12_BrokenBodies(t *testing.T) {
	places(t, func(t *testing.T, s *shakyStore, inner store.Store) {
		want := someBody(0)
		o := s.Put("image", want)
		s.breaks = []int{0, 1, bodySize / 2, bodySize/2 + 1, bodySize - 1, bodySize}
		st := patient.New(inner, patient.Options{})
		begin := time.Now()
		got, err := read(t.Context(), st, "image", o.ETag)
		if err != nil || got != string(want) {
			t.Fatalf("%d bytes, or others, %v", len(got), err)
		}
		stats := st.Stats()
		if stats.Resumed != 5 || stats.UnderWay != 0 || stats.GaveUp != 0 || (stats.Stalls == 6) != (s.how == "stall") {
			t.Errorf("counted are %+v", stats)
		}
		if took := time.Since(begin); s.how == "stall" && took > 6*patient.DefaultStall+10*time.Second {
			t.Errorf("six stalls took %v", took)
		}
		if _, ok := inner.(store.Ranger); ok && fmt.Sprint(s.opened) != fmt.Sprint([]int64{0, 0, 1, bodySize / 2, bodySize/2 + 1, bodySize - 1}) {
			t.Errorf("opened at %v", s.opened)
		}
	})
}

// TestFault12_NeverAMix replaces the object while its body is broken.
func TestFault12_NeverAMix(t *testing.T) {
	places(t, func(t *testing.T, s *shakyStore, inner store.Store) {
		for _, pinned := range []bool{true, false} {
			s.Store = new(mem.Store)
			etag := ""
			if o := s.Put("image", someBody(0)); pinned {
				etag = o.ETag
			}
			s.breaks, s.opened = []int{bodySize / 2}, nil
			s.between = func() { s.Put("image", someBody(1)) }
			got, err := read(t.Context(), patient.New(inner, patient.Options{}), "image", etag)
			if !errors.Is(err, store.ErrChanged) {
				t.Errorf("etag %q: %v, want ErrChanged", etag, err)
			}
			if len(got) != bodySize/2 || !bytes.HasPrefix(someBody(0), []byte(got)) {
				t.Errorf("%d bytes came, or some of another version", len(got))
			}
		}
	})
}

// TestFault12_LyingSize opens an object that is longer or shorter than its
// size.
func TestFault12_LyingSize(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := new(mem.Store)
		inner.Put("image", []byte("pixels"))
		for by, want := range map[int64]error{-1: store.ErrChanged, 1: store.ErrUnavailable} {
			st := patient.New(lying{inner, by}, patient.Options{})
			if got, err := read(t.Context(), st, "image", ""); !errors.Is(err, want) {
				t.Errorf("size %+d: %q, %v, want %v", by, got, err, want)
			}
		}
	})
}

type lying struct {
	store.Store
	by int64
}

func (l lying) Open(ctx context.Context, name, etag string) (io.ReadCloser, store.Object, error) {
	r, o, err := l.Store.Open(ctx, name, etag)
	o.Size += l.by
	return r, o, err
}

// TestFault12_StalledCalls: a create, an open and a listing that get no answer
// at all.
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
			t.Errorf("%q, %v", got, err)
		}
		var names string
		if err := st.List(t.Context(), "", func(o store.Object) error {
			time.Sleep(time.Hour) // a slow listener is no stall
			names += o.Name
			return nil
		}); err != nil || names != "abc" {
			t.Errorf("listed %q, %v", names, err)
		}
		if s := st.Stats(); s.Stalls != 3 || s.Retries != 3 || s.UnderWay != 0 {
			t.Errorf("counted are %+v", s)
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

// TestBarrenBodiesEnd: a body that never gives a byte is not asked for forever.
func TestBarrenBodiesEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shakyStore{Store: new(mem.Store), how: "reset", breaks: make([]int, 1000)}
		s.Put("image", someBody(0))
		st := patient.New(shakyRanger{s}, patient.Options{Patience: 1000 * time.Hour})
		if _, err := read(t.Context(), st, "image", ""); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("%v, want ErrUnavailable", err)
		}
		if len(s.opened) > 20 {
			t.Errorf("opened %d times", len(s.opened))
		}
	})
}

// TestFault13_DeniedIsNotRetried: a token that expires in mid-run is one error.
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
				t.Errorf("create: %v", err)
			}
			if _, _, err := st.Open(t.Context(), "a", ""); err != refused {
				t.Errorf("open: %v", err)
			}
			if s := st.Stats(); s.Calls != 2 || s.Retries != 0 || s.UnderWay != 0 {
				t.Errorf("counted are %+v", s)
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
				t.Errorf("%s came %d times", name, n)
			}
		}
		if len(seen) != objects {
			t.Errorf("%d objects, want %d", len(seen), objects)
		}
	})
}

// TestListReturnsTheListenersError also when that looks like one worth a retry.
func TestListReturnsTheListenersError(t *testing.T) {
	inner := new(mem.Store)
	inner.Put("a", nil)
	st := patient.New(inner, patient.Options{})
	enough := reset()
	if err := st.List(t.Context(), "", func(store.Object) error { return enough }); err != enough {
		t.Errorf("%v, want the listener's own", err)
	}
	if s := st.Stats(); s.Calls != 1 {
		t.Errorf("counted are %+v", s)
	}
}

// TestCancelEndsEveryWait: pauses, closed gates and the wait for a turn.
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
				t.Errorf("leaving took %v; counted are %+v", took, st.Stats())
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
			t.Errorf("%q, %v", got, err)
		}
		if got, err := io.ReadAll(r); string(got) != "first" || err != nil {
			t.Errorf("%q, %v", got, err)
		}
		if s := st.Stats(); s.UnderWay != 0 {
			t.Errorf("counted are %+v", s)
		}
	})
}

// TestReadAfterClose is an error and not a new call.
func TestReadAfterClose(t *testing.T) {
	inner := new(mem.Store)
	inner.Put("a", []byte("body"))
	st := patient.New(inner, patient.Options{})
	r, _, err := st.OpenAt(t.Context(), "a", "v1", 2)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(r); string(got) != "dy" || err != nil {
		t.Errorf("from byte 2: %q, %v", got, err)
	}
	r, _, err = st.Open(t.Context(), "a", "")
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	if _, err := r.Read(make([]byte, 4)); err == nil || err == io.EOF {
		t.Errorf("read after Close: %v", err)
	}
	if s := st.Stats(); s.Calls != 2 || s.UnderWay != 0 {
		t.Errorf("counted are %+v", s)
	}
}
