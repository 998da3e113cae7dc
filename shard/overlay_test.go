package shard

import (
	"bytes"
	"errors"
	"testing"
)

// written returns a manifest of entries in order, whatever they say.
func written(t *testing.T, entries ...Entry) *Manifest {
	t.Helper()
	w := NewWriter(Room{})
	for _, e := range entries {
		if err := w.Add(e); err != nil {
			t.Fatal(err)
		}
	}
	m, err := w.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestOverlay checks that entries which nothing replaces stay whole.
func TestOverlay(t *testing.T) {
	t.Parallel()
	base := written(t, Entry{Path: "a", Size: 1, FromOutput: 2, FromRow: 3, From: "x"}, Entry{Path: "b", Why: New}, Entry{Path: "c", Why: Changed})
	first, second := written(t, Entry{Path: "b", Size: 5}, Entry{Path: "c", Size: 6}), written(t, Entry{Path: "c", Size: 7})
	put := func(was, now Entry) Entry { now.Why = was.Why; return now }
	m, err := Overlay(Room{}, base, []*Manifest{first, second}, put)
	if err != nil {
		t.Fatal(err)
	}
	want := written(t, Entry{Path: "a", Size: 1, FromOutput: 2, FromRow: 3, From: "x"}, Entry{Path: "b", Size: 5, Why: New},
		Entry{Path: "c", Size: 7, Why: Changed})
	if m.Digest() != want.Digest() {
		var have bytes.Buffer
		_ = m.Encode(&have)
		t.Errorf("Overlay() =\n%s", have.String())
	}
	for _, path := range []string{"", "ab", "d"} {
		if _, err := Overlay(Room{}, base, []*Manifest{first, written(t, Entry{Path: path})}, put); !errors.Is(err, ErrStray) {
			t.Errorf("with a stray entry %q: %v", path, err)
		}
	}
}

// TestBuilderRefusesWhatItWouldLose: a Builder keeps only the version of an image.
func TestBuilderRefusesWhatItWouldLose(t *testing.T) {
	t.Parallel()
	plain := Entry{Path: "a", Size: 1, ETag: "v", MD5: "0123456789abcdef"}
	for _, more := range []Entry{{FromOutput: 1}, {FromRow: 1}, {From: "b"}, {Why: New}, {Status: "not_image"}} {
		e := more
		e.Path, e.Size, e.ETag, e.MD5 = plain.Path, plain.Size, plain.ETag, plain.MD5
		var b Builder
		if err := b.Add(e); err == nil {
			t.Errorf("a Builder takes %+v", e)
		}
		if err := b.Add(e.Version()); err != nil || e.Version() != plain {
			t.Errorf("Version() = %+v, %v", e.Version(), err)
		}
	}
}
