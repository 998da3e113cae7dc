package storetest

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/batchscore/batchscore/scorer/store"
)

var namingTests = []test{
	{name: "StopsAtError", run: testNamesStop},
	{name: "CancelledContext", run: testNamesCancelled},
}

// That Names names what List lists is part of every test that lists.

func testNamesStop(t *testing.T, s store.Store) {
	for i := range 10 {
		create(t, s, fmt.Sprint("n", i), nil)
	}
	enough := errors.New("enough")
	n := 0
	err := store.Names(t.Context(), s, "", func(string) error {
		if n++; n == 3 {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) || n != 3 {
		t.Errorf("Names = %v after %d names, want the function's own error after 3", err, n)
	}
}

func testNamesCancelled(t *testing.T, s store.Store) {
	create(t, s, "a", nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := store.Names(ctx, s, "", func(string) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("Names with a cancelled context = %v, want %v", err, context.Canceled)
	}
}

var pageTests = []test{
	{name: "EveryRequestTwice", run: testPagesTwice},
	{name: "RetryGivesUp", run: testPagesFail},
	{name: "StopsAtError", run: testPagesStop},
}

func paged(t *testing.T, s store.Store) store.PagedLister {
	t.Helper()
	l, ok := store.As[store.PagedLister](s)
	if !ok {
		t.Fatal("the store lists by no pages")
	}
	return l
}

// testPagesTwice makes every request twice, as when the first answer was lost.
func testPagesTwice(t *testing.T, s store.Store) {
	want := map[string]bool{}
	for i := range 30 {
		name := fmt.Sprintf("in/%d/%d", i%3, i)
		want[name] = true
		create(t, s, name, []byte(name))
	}
	create(t, s, "out", nil)
	requests := 0
	twice := func(ctx context.Context, request func(context.Context) error) error {
		requests++
		if err := request(ctx); err != nil {
			return err
		}
		return request(ctx)
	}
	seen := map[string]int{}
	err := paged(t, s).ListPages(t.Context(), "in/", twice, func(o store.Object) error {
		if seen[o.Name]++; o.Size != int64(len(o.Name)) {
			t.Errorf("%s is listed with %d bytes", o.Name, o.Size)
		}
		return nil
	})
	if err != nil || requests == 0 {
		t.Errorf("ListPages = %v after %d requests", err, requests)
	}
	for name, n := range seen {
		if n != 1 || !want[name] {
			t.Errorf("%q is listed %d times", name, n)
		}
	}
	if len(seen) != len(want) {
		t.Errorf("%d objects are listed, want %d", len(seen), len(want))
	}
}

func testPagesFail(t *testing.T, s store.Store) {
	create(t, s, "a", nil)
	enough := errors.New("enough")
	err := paged(t, s).ListPages(t.Context(), "", func(context.Context, func(context.Context) error) error { return enough },
		func(o store.Object) error {
			t.Errorf("%s is listed without a request", o.Name)
			return nil
		})
	if !errors.Is(err, enough) {
		t.Errorf("ListPages = %v, want the error of retry", err)
	}
}

func testPagesStop(t *testing.T, s store.Store) {
	for i := range 10 {
		create(t, s, fmt.Sprint("n", i), nil)
	}
	enough := errors.New("enough")
	n := 0
	err := paged(t, s).ListPages(t.Context(), "", store.Once, func(store.Object) error {
		if n++; n == 3 {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) || n != 3 {
		t.Errorf("ListPages = %v after %d objects, want the function's own error after 3", err, n)
	}
}
