package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/batchscore/batchscore/scorer/store"
)

var streamTests = []test{
	{name: "RoundTrip", run: testStreamRoundTrip},
	{name: "IsExclusive", run: testStreamExclusive},
	{name: "AWriterThatFails", run: testStreamFails},
	{name: "CancelledContext", run: testStreamCancelled},
	{name: "EveryRequestTwice", run: testStreamTwice},
}

// writing returns a function that writes a body in pieces, and counts its calls.
func writing(body []byte, calls *int) func(io.Writer) error {
	return func(w io.Writer) error {
		*calls++
		for rest := body; len(rest) > 0; {
			n, err := w.Write(rest[:min(len(rest), 1<<20-1)])
			if err != nil {
				return err
			}
			rest = rest[n:]
		}
		return nil
	}
}

func testStreamRoundTrip(t *testing.T, s store.Store) {
	for name, size := range map[string]int{"empty": 0, "a/one": 1, "a/large": 17<<20 + 5} {
		body := bytes.Repeat([]byte("0123456789abcdef!"), size/17+1)[:size]
		calls := 0
		created, err := store.CreateFrom(t.Context(), s, name, writing(body, &calls))
		if err != nil || calls != 1 {
			t.Fatalf("CreateFrom(%q) = %v, and called write %d times", name, err, calls)
		}
		got, opened := read(t, s, name, created.ETag)
		if !bytes.Equal(got, body) {
			t.Errorf("%s: %d bytes came back, or others", name, len(got))
		}
		if listed := list(t, s, name)[name]; created.Name != name || created.Size != int64(size) || !same(created, opened) || !same(created, listed) {
			t.Errorf("create, open and list differ:\n%+v\n%+v\n%+v", created, opened, listed)
		}
	}
}

func testStreamExclusive(t *testing.T, s store.Store) {
	calls := 0
	if _, err := store.CreateFrom(t.Context(), s, "x/part", writing([]byte("first"), &calls)); err != nil {
		t.Fatal(err)
	}
	for _, body := range []string{"second", "first", ""} {
		if _, err := store.CreateFrom(t.Context(), s, "x/part", writing([]byte(body), &calls)); !errors.Is(err, store.ErrExist) {
			t.Errorf("CreateFrom again = %v, want ErrExist", err)
		}
		if _, err := s.Create(t.Context(), "x/part", []byte(body)); !errors.Is(err, store.ErrExist) {
			t.Errorf("Create again = %v, want ErrExist", err)
		}
	}
	if got, _ := read(t, s, "x/part", ""); string(got) != "first" {
		t.Errorf("it holds %q, want %q", got, "first")
	}
}

func testStreamFails(t *testing.T, s store.Store) {
	enough := errors.New("enough")
	for _, size := range []int{0, 1, 9 << 20} {
		calls := 0
		write := writing(make([]byte, size), &calls)
		_, err := store.CreateFrom(t.Context(), s, "x/part", func(w io.Writer) error { return errors.Join(write(w), enough) })
		if !errors.Is(err, enough) {
			t.Errorf("CreateFrom = %v, want the writer's error", err)
		}
	}
	if n := len(list(t, s, "")); n != 0 {
		t.Errorf("%d objects exist, want none", n)
	}
	// By a stream again: to Azurite's Put Blob, blocks that were staged and never
	// committed are a blob, to its Put Block List they are none.
	calls := 0
	if _, err := store.CreateFrom(t.Context(), s, "x/part", writing([]byte("whole"), &calls)); err != nil {
		t.Errorf("CreateFrom after writers that failed = %v, want no error", err)
	}
	if got, _ := read(t, s, "x/part", ""); string(got) != "whole" {
		t.Errorf("it holds %q, want %q", got, "whole")
	}
}

func testStreamCancelled(t *testing.T, s store.Store) {
	ctx, cancel := context.WithCancel(t.Context())
	_, err := store.CreateFrom(ctx, s, "part", func(w io.Writer) error {
		cancel()
		_, err := w.Write([]byte("body"))
		return err
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("CreateFrom = %v, want %v", err, context.Canceled)
	}
	if n := len(list(t, s, "")); n != 0 {
		t.Errorf("%d objects exist, want none", n)
	}
}

// twice is a store.Retry that makes every request twice.
func twice(ctx context.Context, request func(context.Context) error) error {
	if err := request(ctx); err != nil {
		return err
	}
	return request(ctx)
}

// testStreamTwice makes every request twice, as when the first answer was lost. A
// store without the ability makes none.
func testStreamTwice(t *testing.T, s store.Store) {
	streamer, ok := store.As[store.Streamer](s)
	if !ok {
		return
	}
	for name, size := range map[string]int{"empty": 0, "one": 1, "large": 9 << 20} {
		body := bytes.Repeat([]byte("x"), size)
		calls := 0
		o, err := streamer.CreateFrom(t.Context(), name, twice, writing(body, &calls))
		if err != nil || calls != 1 {
			t.Fatalf("CreateFrom(%q) = %v, and called write %d times", name, err, calls)
		}
		if got, _ := read(t, s, name, o.ETag); !bytes.Equal(got, body) {
			t.Errorf("%s: %d bytes came back, want %d", name, len(got), size)
		}
	}
}

var volatileTests = []test{
	{name: "RoundTrip", run: testVolatileRoundTrip},
	{name: "IsExclusive", run: testVolatileExclusive},
	{name: "OneOf32Wins", run: testVolatileRace},
}

func testVolatileRoundTrip(t *testing.T, s store.Store) {
	body := []byte("as it was")
	created, err := store.CreateVolatile(t.Context(), s, "a/claim", body)
	if err != nil {
		t.Fatal(err)
	}
	copy(body, "changed!!")
	got, opened := read(t, s, "a/claim", created.ETag)
	if string(got) != "as it was" {
		t.Errorf("it holds %q, want %q", got, "as it was")
	}
	if listed := list(t, s, "a/")["a/claim"]; !same(created, opened) || !same(created, listed) || created.Modified.IsZero() {
		t.Errorf("create, open and list differ:\n%+v\n%+v\n%+v", created, opened, listed)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := store.CreateVolatile(ctx, s, "a/other", nil); !errors.Is(err, context.Canceled) {
		t.Errorf("CreateVolatile with a cancelled context = %v, want %v", err, context.Canceled)
	}
}

func testVolatileExclusive(t *testing.T, s store.Store) {
	create(t, s, "lasting", []byte("first"))
	if _, err := store.CreateVolatile(t.Context(), s, "lasting", []byte("second")); !errors.Is(err, store.ErrExist) {
		t.Errorf("CreateVolatile of what exists = %v, want ErrExist", err)
	}
	if _, err := store.CreateVolatile(t.Context(), s, "volatile", []byte("first")); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Create(t.Context(), "volatile", []byte("second")); !errors.Is(err, store.ErrExist) {
		t.Errorf("Create of a volatile object = %v, want ErrExist", err)
	}
	for _, name := range []string{"lasting", "volatile"} {
		if got, _ := read(t, s, name, ""); string(got) != "first" {
			t.Errorf("%s holds %q, want %q", name, got, "first")
		}
	}
}

// testVolatileRace creates one object by both kinds of create at once.
func testVolatileRace(t *testing.T, s store.Store) {
	var winner atomic.Int64
	winner.Store(-1)
	var group sync.WaitGroup
	for i := range 32 {
		group.Go(func() {
			body := fmt.Appendf(nil, "worker %d", i)
			var err error
			if i%2 == 0 {
				_, err = s.Create(t.Context(), "claim", body)
			} else {
				_, err = store.CreateVolatile(t.Context(), s, "claim", body)
			}
			switch {
			case err == nil:
				if !winner.CompareAndSwap(-1, int64(i)) {
					t.Errorf("workers %d and %d both created", winner.Load(), i)
				}
			case !errors.Is(err, store.ErrExist):
				t.Errorf("worker %d: %v, want ErrExist", i, err)
			}
		})
	}
	group.Wait()
	if got, _ := read(t, s, "claim", ""); string(got) != fmt.Sprintf("worker %d", winner.Load()) {
		t.Errorf("%q is stored, want the body of worker %d", got, winner.Load())
	}
}
