package storetest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"
	"testing"

	"github.com/batchscore/batchscore/scorer/store"
)

var replaceTests = []test{
	{name: "Replace", run: testReplace},
	{name: "Delete", run: testDelete},
	{name: "NeverPartial", run: testReplaceNeverPartial},
}

var streamReplaceTests = []test{
	{name: "ReplaceFrom", run: testReplaceFrom},
	{name: "EveryRequestTwice", run: testReplaceFromTwice},
}

func testReplaceFrom(t *testing.T, s store.Store) {
	first := create(t, s, "x/part", []byte("first"))
	calls, enough := 0, errors.New("enough")
	replace := func(name, etag string, write func(io.Writer) error) error {
		_, err := store.ReplaceFrom(t.Context(), s, name, etag, write)
		return err
	}
	if err := replace("x/part", first.ETag+"0", writing([]byte("other"), &calls)); !errors.Is(err, store.ErrChanged) {
		t.Errorf("ReplaceFrom of another version = %v, want ErrChanged", err)
	}
	if err := replace("none", first.ETag, writing(nil, &calls)); !errors.Is(err, store.ErrNotExist) {
		t.Errorf("ReplaceFrom of nothing = %v, want ErrNotExist", err)
	}
	if err := replace("x/part", first.ETag, func(w io.Writer) error {
		return errors.Join(writing(make([]byte, 9<<20), &calls)(w), enough)
	}); !errors.Is(err, enough) {
		t.Errorf("ReplaceFrom = %v, want the writer's error", err)
	}
	if got, o := read(t, s, "x/part", first.ETag); string(got) != "first" || !same(o, first) {
		t.Errorf("after failed calls it holds %d bytes, want %q", len(got), "first")
	}
	version := first
	for _, size := range []int{17<<20 + 5, 1, 0} {
		body := bytes.Repeat([]byte("x"), size)
		calls = 0
		next, err := store.ReplaceFrom(t.Context(), s, "x/part", version.ETag, writing(body, &calls))
		if err != nil || calls != 1 {
			t.Fatalf("ReplaceFrom = %v, and called write %d times", err, calls)
		}
		got, opened := read(t, s, "x/part", next.ETag)
		if !bytes.Equal(got, body) || !same(next, opened) || next.ETag == version.ETag {
			t.Errorf("it holds %d bytes, want %d; replace and open return\n%+v\n%+v", len(got), size, next, opened)
		}
		version = next
	}
	if n := len(list(t, s, "")); n != 1 {
		t.Errorf("%d objects, want 1", n)
	}
}

// testReplaceFromTwice makes every request twice, as when the first answer was lost.
func testReplaceFromTwice(t *testing.T, s store.Store) {
	streamer, ok := store.As[store.StreamReplacer](s)
	if !ok {
		t.Fatal("the store replaces nothing by a stream")
	}
	version := create(t, s, "part", []byte("first"))
	for _, size := range []int{1, 9 << 20} {
		body, calls := bytes.Repeat([]byte("x"), size), 0
		o, err := streamer.ReplaceFrom(t.Context(), "part", version.ETag, twice, writing(body, &calls))
		if err != nil || calls != 1 {
			t.Fatalf("ReplaceFrom = %v, and called write %d times", err, calls)
		}
		if got, _ := read(t, s, "part", o.ETag); !bytes.Equal(got, body) {
			t.Errorf("%d bytes came back, want %d", len(got), size)
		}
		version = o
	}
}

func replacer(t *testing.T, s store.Store) store.Replacer {
	t.Helper()
	r, ok := store.As[store.Replacer](s)
	if !ok {
		t.Fatal("the store replaces nothing")
	}
	return r
}

func testReplace(t *testing.T, st store.Store) {
	s := replacer(t, st)
	first := create(t, s, "x/part", []byte("first"))
	if _, err := s.Replace(t.Context(), "x/part", []byte("other"), first.ETag+"0"); !errors.Is(err, store.ErrChanged) {
		t.Errorf("Replace of another version = %v, want ErrChanged", err)
	}
	for _, name := range []string{"none", "x", "x/none", "x/part/below"} {
		if _, err := s.Replace(t.Context(), name, nil, first.ETag); !errors.Is(err, store.ErrNotExist) {
			t.Errorf("replace %q: %v, want ErrNotExist", name, err)
		}
	}
	if got, o := read(t, s, "x/part", first.ETag); string(got) != "first" || !same(o, first) {
		t.Errorf("after failed calls it holds %q, want %q", got, "first")
	}
	body := []byte("second one")
	second, err := s.Replace(t.Context(), "x/part", body, first.ETag)
	if err != nil {
		t.Fatal(err)
	}
	copy(body, "changed!!!")
	got, opened := read(t, s, "x/part", second.ETag)
	listed := list(t, s, "x/part")["x/part"]
	if string(got) != "second one" || !same(second, opened) || !same(second, listed) || second.ETag == first.ETag {
		t.Errorf("it holds %q, want the second body; replace, open and list return\n%+v\n%+v\n%+v", got, second, opened, listed)
	}
	if _, _, err := s.Open(t.Context(), "x/part", first.ETag); !errors.Is(err, store.ErrChanged) {
		t.Errorf("Open of the version that was replaced = %v, want ErrChanged", err)
	}
	if _, err := s.Replace(t.Context(), "x/part", []byte("third"), first.ETag); !errors.Is(err, store.ErrChanged) {
		t.Errorf("Replace of the version that was replaced = %v, want ErrChanged", err)
	}
	if _, err := s.Create(t.Context(), "x/part", nil); !errors.Is(err, store.ErrExist) {
		t.Errorf("Create of what was replaced = %v, want ErrExist", err)
	}
	if n := len(list(t, s, "")); n != 1 {
		t.Errorf("%d objects, want 1", n)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Replace(ctx, "x/part", nil, second.ETag); !errors.Is(err, context.Canceled) {
		t.Errorf("Replace with a cancelled context = %v, want %v", err, context.Canceled)
	}
}

func testDelete(t *testing.T, st store.Store) {
	s := replacer(t, st)
	o := create(t, s, "x/part", []byte("first"))
	create(t, s, "x/other", nil)
	if err := s.Delete(t.Context(), "x/part", o.ETag+"0"); !errors.Is(err, store.ErrChanged) {
		t.Errorf("Delete of another version = %v, want ErrChanged", err)
	}
	for _, name := range []string{"none", "x", "x/none"} {
		if err := s.Delete(t.Context(), name, o.ETag); !errors.Is(err, store.ErrNotExist) {
			t.Errorf("delete %q: %v, want ErrNotExist", name, err)
		}
	}
	if err := s.Delete(t.Context(), "x/part", o.ETag); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Open(t.Context(), "x/part", ""); !errors.Is(err, store.ErrNotExist) {
		t.Errorf("Open of what was deleted = %v, want ErrNotExist", err)
	}
	if err := s.Delete(t.Context(), "x/part", o.ETag); !errors.Is(err, store.ErrNotExist) {
		t.Errorf("Delete of what was deleted = %v, want ErrNotExist", err)
	}
	create(t, s, "x/part", []byte("again"))
	if all := list(t, s, ""); len(all) != 2 {
		t.Errorf("%d objects, want 2", len(all))
	}
}

// testReplaceNeverPartial reads an object while it is replaced.
func testReplaceNeverPartial(t *testing.T, st store.Store) {
	s := replacer(t, st)
	bodies := [][]byte{bytes.Repeat([]byte("one "), 200_000), bytes.Repeat([]byte("another "), 90_000)}
	o := create(t, s, "part", bodies[0])
	done := make(chan struct{})
	var readers sync.WaitGroup
	for range 3 {
		readers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				r, _, err := s.Open(t.Context(), "part", "")
				if err != nil {
					t.Error(err)
					return
				}
				got, err := io.ReadAll(r)
				r.Close()
				if errors.Is(err, store.ErrChanged) {
					continue
				}
				if err != nil || !bytes.Equal(got, bodies[0]) && !bytes.Equal(got, bodies[1]) {
					t.Errorf("read %d bytes, %v; want one body or the other", len(got), err)
				}
			}
		})
	}
	for i := range 20 {
		var err error
		if o, err = s.Replace(t.Context(), "part", bodies[(i+1)%2], o.ETag); err != nil {
			t.Error(err)
			break
		}
	}
	close(done)
	readers.Wait()
}
