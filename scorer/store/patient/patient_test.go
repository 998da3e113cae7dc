package patient_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/store/dir"
	"github.com/batchscore/batchscore/scorer/store/mem"
	"github.com/batchscore/batchscore/scorer/store/patient"
	"github.com/batchscore/batchscore/scorer/store/storetest"
)

// Most tests run in a bubble of testing/synctest, whose clock moves only while all
// goroutines wait: ten minutes of throttling take no time.

var errBusy = errors.New("server busy")

func busy(after time.Duration) error {
	return fmt.Errorf("asked: %w", &store.Transient{Throttled: true, After: after, Err: errBusy})
}

func reset() error {
	return &store.Transient{Err: errors.New("connection reset by peer")}
}

// seeded returns jitter that is the same in every run.
func seeded() func() float64 {
	var mu sync.Mutex
	rng := rand.New(rand.NewPCG(7, 11))
	return func() float64 {
		mu.Lock()
		defer mu.Unlock()
		return rng.Float64()
	}
}

func read(ctx context.Context, st store.Store, name, etag string) (string, error) {
	r, _, err := st.Open(ctx, name, etag)
	if err != nil {
		return "", err
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	return string(b), err
}

func TestConforms(t *testing.T) {
	t.Run("mem", func(t *testing.T) {
		storetest.Suite{
			Open:      func(*testing.T) store.Store { return patient.New(new(mem.Store), patient.Options{}) },
			Abilities: []storetest.Ability{storetest.Ranges, storetest.Replaces, storetest.Meters, storetest.Neighbors},
		}.Run(t)
	})
	t.Run("dir", func(t *testing.T) {
		storetest.Suite{
			Open: func(t *testing.T) store.Store {
				st, err := dir.New(t.TempDir(), dir.Options{})
				if err != nil {
					t.Fatal(err)
				}
				return patient.New(st, patient.Options{})
			},
			Abilities: []storetest.Ability{
				storetest.Ranges, storetest.Naming, storetest.Streams, storetest.Volatile, storetest.Replaces, storetest.Meters,
				storetest.Neighbors, storetest.Folders,
			},
		}.Run(t)
	})
}

// TestConformsAtAFaultyPlace runs the suite at a place where every fifth call fails;
// creates fail after they took effect. (A create that failed before it took effect
// looks like one that lost its answer. It may take an equal object of another
// program for its own, which the suite does not expect.)
func TestConformsAtAFaultyPlace(t *testing.T) {
	open := func(*testing.T) store.Store {
		random := seeded()
		sometimes := func(share float64) error {
			if random() < share {
				return reset()
			}
			return nil
		}
		return patient.New(&storetest.Faulty{
			Store: new(mem.Store),
			AfterCreate: func(_ int, _ store.Object, err error) error {
				if err == nil {
					err = sometimes(0.2)
				}
				return err
			},
			BeforeOpen: func(context.Context, int, string) error { return sometimes(0.2) },
			Listed:     func(int, store.Object) (int, error) { return 1, sometimes(0.02) },
			Body: func(_ store.Object, r io.ReadCloser) io.ReadCloser {
				return &breaking{ReadCloser: r, err: func() error { return sometimes(0.02) }}
			},
		}, patient.Options{First: time.Microsecond, Longest: time.Microsecond})
	}
	storetest.Suite{
		Open: open, Abilities: []storetest.Ability{storetest.Ranges, storetest.Replaces, storetest.Meters, storetest.Neighbors},
	}.Run(t)
}

type breaking struct {
	io.ReadCloser
	err func() error
}

func (b *breaking) Read(p []byte) (int, error) {
	if err := b.err(); err != nil {
		return 0, err
	}
	return b.ReadCloser.Read(p[:min(len(p), 64<<10)])
}

// TestFault11_Bursts drives 16 workers, which read and create, into bursts of
// throttling.
func TestFault11_Bursts(t *testing.T) {
	for _, burst := range []time.Duration{5 * time.Second, time.Minute, 10 * time.Minute} {
		for _, after := range []time.Duration{0, 2 * time.Second, 90 * time.Second} {
			t.Run(fmt.Sprintf("%v/retry-after=%v", burst, after), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { testBurst(t, burst, after) })
			})
		}
	}
}

func testBurst(t *testing.T, burst, after time.Duration) {
	const workers, each, concurrency = 16, 40, 32
	inner := new(mem.Store)
	begin := time.Now()
	var place struct {
		sync.Mutex
		refused  int
		under    int
		most     int // under way at once in the last half of the burst
		tooEarly int // calls in spite of a Retry-After
		closedTo time.Time
	}
	// The place answers within 10 ms. Between 1 s and 1 s + burst it throttles.
	call := func(ctx context.Context) error {
		place.Lock()
		now := time.Now()
		place.under++
		if now.Before(place.closedTo) {
			place.tooEarly++
		}
		at := now.Sub(begin)
		throttles := at >= time.Second && at < time.Second+burst
		if throttles && at > time.Second+burst/2 {
			place.most = max(place.most, place.under)
		}
		place.Unlock()
		time.Sleep(10 * time.Millisecond)
		place.Lock()
		defer place.Unlock()
		place.under--
		if !throttles {
			return nil
		}
		place.refused++
		return busy(after)
	}
	// Calls that were under way together are refused together. Only calls that
	// begin after an answer can know of it.
	told := func(err error, _ time.Duration) {
		if tr, ok := store.AsTransient(err); ok && tr.After > 0 {
			place.Lock()
			defer place.Unlock()
			if until := time.Now().Add(tr.After); until.After(place.closedTo) {
				place.closedTo = until
			}
		}
	}
	st := patient.New(&storetest.Faulty{
		Store:        inner,
		BeforeCreate: func(ctx context.Context, _ int, _ string, _ []byte) error { return call(ctx) },
		BeforeOpen:   func(ctx context.Context, _ int, _ string) error { return call(ctx) },
	}, patient.Options{
		Concurrency: concurrency, Rand: seeded(),
		Report: func(p patient.Pause) { told(p.Err, p.Wait) },
	})
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := range each {
				name := fmt.Sprintf("%d/%d", w, i)
				if _, err := st.Create(t.Context(), name, []byte(name)); err != nil {
					t.Errorf("create: %v", err)
				}
				if got, err := read(t.Context(), st, name, ""); got != name || err != nil {
					t.Errorf("read %q: %q, %v; want its name", name, got, err)
				}
				time.Sleep(20 * time.Millisecond)
			}
		})
	}
	wg.Wait()
	n := 0
	if err := inner.List(t.Context(), "", func(store.Object) error { n++; return nil }); err != nil || n != workers*each {
		t.Errorf("%d objects, %v, want %d", n, err, workers*each)
	}
	s := st.Stats()
	if place.refused == 0 || s.Throttled != int64(place.refused) || s.Retries != s.Throttled {
		t.Errorf("the place refused %d calls; the statistics are %+v", place.refused, s)
	}
	if s.Calls != workers*each*2+s.Retries || s.UnderWay != 0 || s.GaveUp != 0 {
		t.Errorf("unexpected statistics: %+v", s)
	}
	if place.most > 2 {
		t.Errorf("%d calls at once in the second half of the burst, want at most 2", place.most)
	}
	if place.tooEarly > 0 {
		t.Errorf("%d calls came before the place wanted any", place.tooEarly)
	}
	if took := time.Since(begin); took > time.Second+burst+2*max(after, patient.DefaultLongest)+5*time.Second {
		t.Errorf("it took %v with a burst of %v, want little more", took, burst)
	}
	if s.Limit < 8 {
		t.Errorf("after the burst %d calls are allowed at once, want 8 or more", s.Limit)
	}
}
