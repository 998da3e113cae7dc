package patient_test

import (
	"context"
	"errors"
	"fmt"
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

// far is a store that says how it is reached.
type far struct{ *mem.Store }

func (far) HowReached(context.Context) string {
	return "http://nowhere.example, with the key of a test"
}

// contacted returns a patient store whose opens do what open says.
func contacted(open func(context.Context) error, opt patient.Options) *patient.Store {
	return patient.New(&storetest.Faulty{
		Store:      far{new(mem.Store)},
		BeforeOpen: func(ctx context.Context, _ int, _ string) error { return open(ctx) },
	}, opt)
}

// TestFault11_FirstContact opens objects at a place that never answers: it refuses
// connections, keeps them open without a word, or is behind a proxy that cannot reach
// it.
func TestFault11_FirstContact(t *testing.T) {
	for name, open := range map[string]func(context.Context) error{
		"refused": func(context.Context) error { return reset() },
		"silent":  func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
		"proxy": func(context.Context) error {
			return &store.Transient{Throttled: true, Err: errors.New("the proxy cannot reach the host")}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var mu sync.Mutex
				var until []time.Time
				st := contacted(open, patient.Options{Contact: patient.DefaultContact, Rand: seeded(), Report: func(p patient.Pause) {
					mu.Lock()
					defer mu.Unlock()
					until = append(until, p.Until)
				}})
				begin := time.Now()
				// Of two operations in a row, the second gets no time of its own.
				for range 2 {
					_, err := read(t.Context(), st, "a", "")
					_, transient := store.AsTransient(err)
					if !errors.Is(err, store.ErrUnavailable) || transient {
						t.Fatalf("%v, want a final ErrUnavailable", err)
					}
					for _, part := range []string{"gave no answer in ", "memory", "tried: http://nowhere.example, with the key of a test", "correct the address"} {
						if !strings.Contains(err.Error(), part) {
							t.Errorf("the message lacks %q: %v", part, err)
						}
					}
				}
				if took := time.Since(begin); took > patient.DefaultContact+2*time.Second {
					t.Errorf("it took %v, want no more than %v", took, patient.DefaultContact)
				}
				mu.Lock()
				defer mu.Unlock()
				if len(until) == 0 {
					t.Error("nothing was reported")
				}
				for _, u := range until {
					if !u.Equal(begin.Add(patient.DefaultContact)) {
						t.Errorf("a pause says that patience ends after %v, want %v", u.Sub(begin), patient.DefaultContact)
					}
				}
			})
		})
	}
}

// TestFault11_AfterTheFirstAnswer gets an answer of any kind, and then none. Patience
// is as long as ever.
func TestFault11_AfterTheFirstAnswer(t *testing.T) {
	for name, first := range map[string]error{
		"success":      nil,
		"not found":    fmt.Errorf("open: %w", store.ErrNotExist),
		"denied":       fmt.Errorf("open: %w", store.ErrDenied),
		"server error": &store.Transient{Answered: true, Err: errors.New("internal error")},
		"throttled":    &store.Transient{Answered: true, Throttled: true, After: time.Second, Err: errors.New("busy")},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := 0
				st := contacted(func(context.Context) error {
					if n++; n == 1 {
						return first
					}
					return reset()
				}, patient.Options{Contact: patient.DefaultContact})
				if _, ok := store.AsTransient(first); !ok {
					_, _ = read(t.Context(), st, "a", "")
				}
				begin := time.Now()
				_, err := read(t.Context(), st, "a", "")
				if took := time.Since(begin); took < patient.DefaultPatience || !errors.Is(err, store.ErrUnavailable) {
					t.Errorf("given up after %v with %v, want %v", took, err, patient.DefaultPatience)
				}
				if err == nil || strings.Contains(err.Error(), "gave no answer") {
					t.Errorf("%v, want the error of a place that has answered", err)
				}
			})
		})
	}
}

// TestFirstContact_ShorterPatience has less patience than the first contact may take.
func TestFirstContact_ShorterPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := contacted(func(context.Context) error { return reset() }, patient.Options{Contact: patient.DefaultContact, Patience: 5 * time.Second})
		begin := time.Now()
		_, err := read(t.Context(), st, "a", "")
		if took := time.Since(begin); took > 6*time.Second || err == nil || !strings.Contains(err.Error(), "gave no answer") {
			t.Errorf("given up after %v with %v, want 5s", took, err)
		}
	})
}

// TestMake_OfMemory makes the root of a store that needs none.
func TestMake_OfMemory(t *testing.T) {
	made, err := patient.New(new(mem.Store), patient.Options{}).Make(t.Context())
	if made || err != nil {
		t.Errorf("Make = %v, %v; want false and no error", made, err)
	}
}

// TestNoPatience: with next to no patience calls are given up at once, and the first one
// gets the time that it takes.
func TestNoPatience(t *testing.T) {
	for _, patience := range []time.Duration{time.Nanosecond, time.Millisecond} {
		t.Run(patience.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				calls := 0
				st := contacted(func(ctx context.Context) error {
					if calls++; calls > 1 {
						return reset()
					}
					select {
					case <-time.After(5 * time.Second):
						return store.ErrNotExist
					case <-ctx.Done():
						return ctx.Err()
					}
				}, patient.Options{Contact: patient.DefaultContact, Patience: patience})
				if _, err := read(t.Context(), st, "a", ""); !errors.Is(err, store.ErrNotExist) {
					t.Errorf("a slow first answer: %v", err)
				}
				if _, err := read(t.Context(), st, "a", ""); !errors.Is(err, store.ErrUnavailable) || calls > 3 {
					t.Errorf("a call that fails: %v after %d calls, want ErrUnavailable", err, calls)
				}
			})
		})
	}
}
