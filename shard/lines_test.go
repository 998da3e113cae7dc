package shard

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestLinesSeek compares what Seek finds, from any entry on, with what Find finds.
func TestLinesSeek(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		open := 0
		room := tight(rapid.SampledFrom([]int{0, 1 << 20}).Draw(t, "memory"), &open)
		w := NewWriter(room)
		n := rapid.IntRange(0, 1500).Draw(t, "entries")
		for i := range n {
			if err := w.Add(Entry{Path: fmt.Sprintf("%05d \xff\"", 2*i), Size: int64(i)}); err != nil {
				t.Fatal(err)
			}
		}
		m, err := w.Manifest()
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		l, least := NewLines(m), 0
		for range rapid.IntRange(1, 6).Draw(t, "times") {
			for range rapid.SampledFrom([]int{0, 1, 70}).Draw(t, "next") {
				if !l.Done {
					l.Next()
					least++
				}
			}
			at := rapid.IntRange(0, 2*n+1).Draw(t, "at")
			path := fmt.Sprintf("%05d \xff\"", at)
			want := max(least, (at+1)/2)
			least = min(want, n)
			has := l.Seek(path)
			if l.Err != nil || l.Index != min(want, n) || l.Done != (want >= n) || has != (!l.Done && at == 2*l.Index) {
				t.Fatalf("Seek(%q) of %d = %v at %d, %v, want %d", path, n, has, l.Index, l.Err, want)
			}
			if l.Done {
				break
			}
			if e, err := l.Entry(); err != nil || e.Size != int64(l.Index) {
				t.Fatalf("entry %d is %+v, %v", l.Index, e, err)
			}
		}
	})
}

// TestDiff compares two random manifests.
func TestDiff(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		open := 0
		room := tight(rapid.SampledFrom([]int{0, 1 << 20}).Draw(t, "memory"), &open)
		one, other := entries(t), entries(t)
		for _, e := range one {
			switch rapid.IntRange(0, 3).Draw(t, "in the other") {
			case 0:
				e.Size++
				other = append(other, e)
			case 1, 2:
				other = append(other, e)
			}
		}
		a, _ := buildIn(t, room, 0, one)
		b, _ := buildIn(t, room, 0, other)
		defer a.Close()
		defer b.Close()
		all := map[string][2]string{}
		for i, m := range []*Manifest{a, b} {
			for w := NewWalk(m); !w.Done; w.Next() {
				both := all[w.Path]
				both[i] = string(appendEntry(nil, w.Entry))
				all[w.Path] = both
			}
		}
		last := ""
		err := Diff(a, b, func(x, y *Entry) error {
			var path string
			var has [2]string
			for i, e := range []*Entry{x, y} {
				if e != nil {
					path, has[i] = e.Path, string(appendEntry(nil, *e))
				}
			}
			if want := all[path]; want != has || has[0] == has[1] || path < last {
				t.Fatalf("%q: %q, want %q, after %q", path, has, want, last)
			}
			last = strings.Clone(path)
			delete(all, path)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		for path, both := range all {
			if both[0] != both[1] {
				t.Fatalf("%q is left out: %q", path, both)
			}
		}
	})
}

func TestDecodeKnown(t *testing.T) {
	m := listed(t, 200)
	var text bytes.Buffer
	if err := m.Encode(&text); err != nil {
		t.Fatal(err)
	}
	known, err := DecodeKnown(bytes.NewReader(text.Bytes()), m.Digest(), Room{})
	if err != nil || known.Digest() != m.Digest() || known.Len() != m.Len() {
		t.Fatalf("%v, %v", known, err)
	}
	if i, ok, err := known.Find(mustAt(t, m, 130).Path); i != 130 || !ok || err != nil {
		t.Fatal(i, ok, err)
	}
	for _, bad := range []string{
		"",
		strings.Replace(text.String(), `"size":`, `"size":1`, 1),
		text.String()[:text.Len()-100],
		text.String() + "\n",
	} {
		if _, err := DecodeKnown(strings.NewReader(bad), m.Digest(), Room{}); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%.20q… of %d bytes: %v", bad, len(bad), err)
		}
	}
	if _, err := DecodeKnown(bytes.NewReader(text.Bytes()), listed(t, 100).Digest(), Room{}); !errors.Is(err, ErrCorrupt) {
		t.Errorf("another digest: %v", err)
	}
}

func mustAt(t *testing.T, m *Manifest, i int) Entry {
	t.Helper()
	e, err := m.At(i)
	if err != nil {
		t.Fatal(err)
	}
	return e
}
