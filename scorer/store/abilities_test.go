package store_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/store/mem"
	"github.com/batchscore/batchscore/scorer/store/patient"
)

// TestWithoutReplacer asks a store to replace and delete that can do neither.
func TestWithoutReplacer(t *testing.T) {
	inner := new(mem.Store)
	o := inner.Put("a/part", []byte("first"))
	for name, st := range map[string]store.Store{
		"the store":      plain{inner},
		"a part of it":   store.NewSub(plain{inner}, "a/"),
		"a patient one":  patient.New(plain{inner}, patient.Options{}),
		"a part of that": store.NewSub(patient.New(plain{inner}, patient.Options{}), "a/"),
	} {
		t.Run(name, func(t *testing.T) {
			const object = "part" // no store looks for it
			if _, err := store.Replace(t.Context(), st, object, nil, o.ETag); !errors.Is(err, store.ErrDenied) {
				t.Errorf("Replace = %v, want ErrDenied", err)
			}
			if err := store.Delete(t.Context(), st, object, o.ETag); !errors.Is(err, store.ErrDenied) {
				t.Errorf("Delete = %v, want ErrDenied", err)
			}
		})
	}
}

func TestStatsOf(t *testing.T) {
	st := patient.New(new(mem.Store), patient.Options{Concurrency: 7})
	if _, err := st.Create(t.Context(), "a/b", nil); err != nil {
		t.Fatal(err)
	}
	for name, of := range map[string]store.Store{"the store": st, "a part of a part": store.NewSub(store.NewSub(st, "a/"), "b/")} {
		if s, ok := store.StatsOf(of); !ok || s.Calls != 1 || s.Limit != 7 {
			t.Errorf("StatsOf %s = %+v, %v; want one call and a limit of 7", name, s, ok)
		}
	}
	if s, ok := store.StatsOf(new(mem.Store)); ok {
		t.Errorf("StatsOf a store in memory = %+v, want none", s)
	}
	if _, ok := store.StatsOf(nil); ok {
		t.Error("StatsOf nil reports statistics")
	}
}

// pages is a store in memory that lists in one page.
type pages struct{ store.Store }

func (p pages) ListPages(ctx context.Context, prefix string, retry store.Retry, fn func(store.Object) error) error {
	return retry(ctx, func(ctx context.Context) error { return p.List(ctx, prefix, fn) })
}

func TestSubListsByPages(t *testing.T) {
	inner := new(mem.Store)
	inner.Put("a/b", nil)
	inner.Put("c", nil)
	st, ok := store.As[store.PagedLister](store.NewSub(pages{inner}, "a/"))
	if !ok {
		t.Fatal("the part of a store that lists by pages does not")
	}
	requests, names := 0, ""
	retry := func(ctx context.Context, request func(context.Context) error) error {
		requests++
		return request(ctx)
	}
	err := st.ListPages(t.Context(), "", retry, func(o store.Object) error { names += o.Name; return nil })
	if err != nil || names != "b" || requests != 1 {
		t.Errorf("ListPages = %v with %q in %d requests, want b in one", err, names, requests)
	}
}

func TestTransient(t *testing.T) {
	cause := errors.New("server busy")
	for after, want := range map[time.Duration]string{0: "server busy", 2 * time.Second: "server busy (asks to wait 2s)"} {
		err := error(&store.Transient{After: after, Err: cause})
		if err.Error() != want || !errors.Is(err, cause) || !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("the error is %q, want %q that is ErrUnavailable and its cause", err, want)
		}
	}
	if _, ok := store.AsTransient(store.ErrUnavailable); ok {
		t.Error("ErrUnavailable alone counts as transient")
	}
}
