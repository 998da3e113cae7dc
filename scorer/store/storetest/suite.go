package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/batchscore/batchscore/scorer/store"
)

// Names returns object names that stores and formats have been known to spoil. A
// store takes each of them, or its Create refuses it.
func Names() []string {
	long := strings.Repeat(strings.Repeat("a", 127)+"/", 8)
	return []string{
		"plain.jpg",
		"with space.jpg", " leading and trailing ", "hash#tag.jpg", "100%.jpg", "percent%2Fslash.jpg", "plus+plus.jpg",
		"query?x=1&y=2.jpg", `quote"double.jpg`, "quote'single.jpg", `back\slash.jpg`, "new\nline.jpg", "cr\r\nlf.jpg", "tab\t.jpg",
		"comma,semi;colon:.jpg", "caf\u00e9 nfc.jpg", "cafe\u0301 nfd.jpg", "日本語/写真.jpg", "trailing dot.", "...", ".hidden",
		"-dash", "~tilde", "=formula()", "UPPER.JPG", "upper.jpg", "deep/er/and/deeper.jpg", "bell\x07del\x7f.jpg",
		"line\u2028separator.jpg", "not utf-8 \xff\xfe.jpg", "cut \xc3", "\x80/\x81",
		long[:1023] + "z",
		strings.Repeat(strings.Repeat("é", 63)+"/", 16)[:1023*2-15] + "z",
	}
}

// Suite tests what store.Store promises, and the abilities of the store.
type Suite struct {
	// Open returns an empty store whose place exists. It is called once per test.
	Open func(t *testing.T) store.Store
	// Abilities are those that the store has. It must have no others.
	Abilities []Ability
	// Refuses reports whether the place cannot hold an object of that name, which
	// Create then refuses. Nil means that it holds all Names.
	Refuses func(name string) bool
}

// test is one test of a suite.
type test struct {
	name string
	run  func(*testing.T, store.Store)
}

// Run runs the suite.
func (s Suite) Run(t *testing.T) {
	if s.Refuses == nil {
		s.Refuses = func(string) bool { return false }
	}
	for _, test := range []test{
		{name: "RoundTrip", run: testRoundTrip},
		{name: "CreateIsExclusive", run: testExclusive},
		{name: "CreateCopiesTheBody", run: testBodyIsCopied},
		{name: "NotExist", run: testNotExist},
		{name: "ETag", run: testETag},
		{name: "Prefix", run: testPrefix},
		{name: "ListStopsAtError", run: testListStops},
		{name: "Fault23_Names", run: func(t *testing.T, st store.Store) { testNames(t, st, s.Refuses) }},
		{name: "CancelledContext", run: testCancelled},
		{name: "OneOf64Wins", run: testRace},
		{name: "NeverPartial", run: testNeverPartial},
		{name: "ClockRunsForward", run: testClock},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, s.Open(t)) })
	}
	t.Run("Abilities", func(t *testing.T) { s.testAbilities(t, s.Open(t)) })
	for _, a := range abilities {
		if a.tests == nil || a.needed && !slices.Contains(s.Abilities, a.name) {
			continue
		}
		t.Run(string(a.name), func(t *testing.T) {
			for _, test := range a.tests {
				t.Run(test.name, func(t *testing.T) { test.run(t, s.Open(t)) })
			}
		})
	}
}

// list returns all objects under prefix by name, and fails on a name that
// comes twice.
func list(t *testing.T, s store.Store, prefix string) map[string]store.Object {
	t.Helper()
	all := map[string]store.Object{}
	err := s.List(t.Context(), prefix, func(o store.Object) error {
		if _, ok := all[o.Name]; ok {
			t.Errorf("%q is listed twice", o.Name)
		}
		all[o.Name] = o
		return nil
	})
	if err != nil {
		t.Fatalf("list %q: %v", prefix, err)
	}
	named := 0
	err = store.Names(t.Context(), s, prefix, func(name string) error {
		named++
		if _, ok := all[name]; !ok {
			t.Errorf("%q is named and not listed", name)
		}
		return nil
	})
	if err != nil || named != len(all) {
		t.Errorf("%d names of %d objects under %q, %v", named, len(all), prefix, err)
	}
	return all
}

func create(t *testing.T, s store.Store, name string, body []byte) store.Object {
	t.Helper()
	o, err := s.Create(t.Context(), name, body)
	if err != nil {
		t.Fatalf("create %q: %v", name, err)
	}
	return o
}

func read(t *testing.T, s store.Store, name, etag string) ([]byte, store.Object) {
	t.Helper()
	r, o, err := s.Open(t.Context(), name, etag)
	if err != nil {
		t.Fatalf("open %q: %v", name, err)
	}
	defer r.Close()
	body, err := io.ReadAll(r)
	if err != nil {
		t.Fatalf("read %q: %v", name, err)
	}
	return body, o
}

func same(a, b store.Object) bool {
	return a.Name == b.Name && a.Size == b.Size && a.ETag == b.ETag && a.Modified.Equal(b.Modified)
}

func testRoundTrip(t *testing.T, s store.Store) {
	if s.String() == "" {
		t.Error("the store has no name for messages")
	}
	for name, size := range map[string]int{"empty": 0, "a/b/one": 1, "large": 3<<20 + 7} {
		body := bytes.Repeat([]byte("0123456789abcdef!"), size/17+1)[:size]
		created := create(t, s, name, body)
		got, opened := read(t, s, name, "")
		listed := list(t, s, name)[name]
		if !bytes.Equal(got, body) {
			t.Errorf("%s: read %d bytes, or others; want %d", name, len(got), size)
		}
		if created.Name != name || created.Size != int64(size) || created.ETag == "" || created.Modified.IsZero() {
			t.Errorf("Create returned %+v, want %s with %d bytes, an ETag and a time", created, name, size)
		}
		if !same(created, opened) || !same(created, listed) {
			t.Errorf("create, open and list differ:\n%+v\n%+v\n%+v", created, opened, listed)
		}
	}
}

func testExclusive(t *testing.T, s store.Store) {
	before := create(t, s, "x/part", []byte("first"))
	for _, body := range []string{"second", "first", ""} {
		if _, err := s.Create(t.Context(), "x/part", []byte(body)); !errors.Is(err, store.ErrExist) {
			t.Errorf("create again: %v, want ErrExist", err)
		}
	}
	if got, after := read(t, s, "x/part", before.ETag); string(got) != "first" || !same(before, after) {
		t.Errorf("after creates that failed it holds %q, %+v; want %q, %+v", got, after, "first", before)
	}
	if n := len(list(t, s, "")); n != 1 {
		t.Errorf("%d objects, want 1", n)
	}
}

func testBodyIsCopied(t *testing.T, s store.Store) {
	body := []byte("as it was")
	create(t, s, "o", body)
	copy(body, "changed!!")
	if got, _ := read(t, s, "o", ""); string(got) != "as it was" {
		t.Errorf("it holds %q, want %q", got, "as it was")
	}
}

func testNotExist(t *testing.T, s store.Store) {
	create(t, s, "folder/file", []byte("x"))
	for _, name := range []string{"none", "folder", "folder/none", "folder/file/below", "none/none"} {
		for _, etag := range []string{"", "some"} {
			if _, _, err := s.Open(t.Context(), name, etag); !errors.Is(err, store.ErrNotExist) {
				t.Errorf("open %q: %v, want ErrNotExist", name, err)
			}
		}
	}
}

func testETag(t *testing.T, s store.Store) {
	o := create(t, s, "image.jpg", []byte("pixels"))
	if got, _ := read(t, s, "image.jpg", o.ETag); string(got) != "pixels" {
		t.Errorf("read %q, want %q", got, "pixels")
	}
	if _, _, err := s.Open(t.Context(), "image.jpg", o.ETag+"0"); !errors.Is(err, store.ErrChanged) {
		t.Errorf("open another version: %v, want ErrChanged", err)
	}
	if a, b := create(t, s, "a", []byte("1")), create(t, s, "b", []byte("12")); a.ETag == b.ETag {
		t.Errorf("objects of different sizes have the ETag %s, want two ETags", a.ETag)
	}
}

func testPrefix(t *testing.T, s store.Store) {
	all := []string{"a", "ab", "a.b", "b/a", "b/ab", "b/b/c", "b/bc", "b.c", "bb/a"}
	for _, name := range all {
		create(t, s, name, []byte(name))
	}
	for _, prefix := range []string{"", "a", "ab", "abc", "b", "b/", "b/a", "b/b", "b/b/", "b/b/c", "b/b/c/", "bb", "c", "c/d", "/", "b//", "../"} {
		var want []string
		for _, name := range all {
			if strings.HasPrefix(name, prefix) {
				want = append(want, name)
			}
		}
		var got []string
		for name, o := range list(t, s, prefix) {
			got = append(got, name)
			if o.Size != int64(len(name)) {
				t.Errorf("%s is listed with %d bytes, want %d", name, o.Size, len(name))
			}
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("prefix %q: %q, want %q", prefix, got, want)
		}
	}
}

func testListStops(t *testing.T, s store.Store) {
	for i := range 10 {
		create(t, s, fmt.Sprint("n", i), nil)
	}
	enough := errors.New("enough")
	n := 0
	err := s.List(t.Context(), "", func(store.Object) error {
		if n++; n == 3 {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) || n != 3 {
		t.Errorf("%v after %d objects, want the function's own error after 3", err, n)
	}
}

func testNames(t *testing.T, s store.Store, refuses func(name string) bool) {
	var names []string
	for _, name := range Names() {
		if !refuses(name) {
			names = append(names, name)
			create(t, s, name, []byte(name))
			continue
		}
		if _, err := s.Create(t.Context(), name, []byte(name)); err == nil || errors.Is(err, store.ErrExist) {
			t.Errorf("create %q: %v, want it to be refused", name, err)
		}
		if _, _, err := s.Open(t.Context(), name, ""); !errors.Is(err, store.ErrNotExist) {
			t.Errorf("Open(%q), which Create refuses, = %v, want ErrNotExist", name, err)
		}
		if n := len(list(t, s, name)); n > 0 {
			t.Errorf("the prefix %q lists %d objects, want none", name, n)
		}
	}
	listed := list(t, s, "")
	if len(listed) != len(names) {
		t.Errorf("%d objects, want %d", len(listed), len(names))
	}
	for _, name := range names {
		o, ok := listed[name]
		if !ok {
			t.Errorf("%q is not listed under its name", name)
			continue
		}
		if got, _ := read(t, s, name, o.ETag); string(got) != name {
			t.Errorf("%q holds %q, want its name", name, got)
		}
		if one := list(t, s, name); len(one) < 1 || !same(one[name], o) {
			t.Errorf("the prefix %q lists %v, want %v among them", name, one, o)
		}
	}
}

func testCancelled(t *testing.T, s store.Store) {
	create(t, s, "there", []byte("x"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Create(ctx, "new", nil); !errors.Is(err, context.Canceled) {
		t.Errorf("Create = %v, want %v", err, context.Canceled)
	}
	if _, _, err := s.Open(ctx, "there", ""); !errors.Is(err, context.Canceled) {
		t.Errorf("Open = %v, want %v", err, context.Canceled)
	}
	if err := s.List(ctx, "", func(store.Object) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("List = %v, want %v", err, context.Canceled)
	}
	if _, ok := list(t, s, "")["new"]; ok {
		t.Error("a create that was cancelled before it began created")
	}
}

func isTransient(err error) bool {
	_, is := store.AsTransient(err)
	return is
}

func testRace(t *testing.T, s store.Store) {
	const workers = 64
	for round := range 5 {
		name := fmt.Sprintf("race/%d/part", round)
		var winner atomic.Int64
		winner.Store(-1)
		var group sync.WaitGroup
		start := make(chan struct{})
		for i := range workers {
			group.Go(func() {
				<-start
				create := func() error {
					_, err := s.Create(t.Context(), name, fmt.Appendf(nil, "worker %d", i))
					return err
				}
				err := create()
				// A loaded emulator resets some of so many connections at once.
				for try := 0; try < 5 && isTransient(err); try++ {
					err = create()
				}
				switch {
				case err == nil:
					if !winner.CompareAndSwap(-1, int64(i)) {
						t.Errorf("workers %d and %d both created", winner.Load(), i)
					}
				case !errors.Is(err, store.ErrExist):
					t.Errorf("worker %d: Create = %v, want ErrExist", i, err)
				}
			})
		}
		close(start)
		group.Wait()
		if winner.Load() < 0 {
			t.Fatal("nobody created")
		}
		if got, _ := read(t, s, name, ""); string(got) != fmt.Sprintf("worker %d", winner.Load()) {
			t.Errorf("%q is stored, want the body of worker %d", got, winner.Load())
		}
	}
	if n := len(list(t, s, "race/")); n != 5 {
		t.Errorf("%d objects, want 5", n)
	}
}

// testNeverPartial reads objects while they are created.
func testNeverPartial(t *testing.T, s store.Store) {
	body := bytes.Repeat([]byte("whole or not at all "), 50_000)
	done := make(chan struct{})
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for {
				err := s.List(t.Context(), "", func(o store.Object) error {
					r, opened, err := s.Open(t.Context(), o.Name, o.ETag)
					if err != nil {
						return err
					}
					defer r.Close()
					got, err := io.ReadAll(r)
					if err == nil && (o.Size != int64(len(body)) || opened.Size != o.Size || !bytes.Equal(got, body)) {
						t.Errorf("%s: %d bytes are listed, %d opened and %d read, want %d", o.Name, o.Size, opened.Size, len(got), len(body))
					}
					return err
				})
				if err != nil {
					t.Error(err)
				}
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	var writers sync.WaitGroup
	for w := range 4 {
		writers.Go(func() {
			for i := range 5 {
				if _, err := s.Create(t.Context(), fmt.Sprintf("%d/%d", w, i), body); err != nil {
					t.Error(err)
				}
			}
		})
	}
	writers.Wait()
	close(done)
	readers.Wait()
}

func testClock(t *testing.T, s store.Store) {
	last := create(t, s, "tick/0", nil).Modified
	for i := 1; i < 20; i++ {
		now := create(t, s, fmt.Sprintf("tick/%d", i), nil).Modified
		if now.Before(last) {
			t.Errorf("object %d was created at %v, want no earlier than %v", i, now, last)
		}
		last = now
	}
}
