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
