package shard

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// pad is a scratch in memory that counts what is open.
type pad struct {
	bytes.Buffer
	open *int
}

func (p *pad) ReadAt(b []byte, offset int64) (int, error) {
	return bytes.NewReader(p.Bytes()).ReadAt(b, offset)
}

func (p *pad) Close() error {
	*p.open--
	return nil
}

// tight is room for that many bytes, beyond which scratches are used, of which
// open counts those not closed.
func tight(memory int, open *int) Room {
	return Room{Memory: memory, Scratch: func() (Scratch, error) {
		*open++
		return &pad{open: open}, nil
	}}
}

// TestRoomChangesNothing builds and reads manifests with hardly any memory and
// compares them with those built in memory.
func TestRoomChangesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		listed := entries(t)
		if len(listed) > 1 && rapid.Bool().Draw(t, "doubled") {
			again := listed[rapid.IntRange(0, len(listed)-1).Draw(t, "which")]
			again.Size++
			listed = append(listed, again)
		}
		most := rapid.IntRange(0, 5).Draw(t, "most")
		want, wantStats := buildIn(t, Room{}, most, listed)
		open := 0
		room := tight(rapid.IntRange(0, 400).Draw(t, "memory"), &open)
		have, haveStats := buildIn(t, room, most, listed)
		var text bytes.Buffer
		if err := have.Encode(&text); err != nil {
			t.Fatal(err)
		}
		read, err := DecodeManifest(bytes.NewReader(text.Bytes()), room)
		if err != nil {
			t.Fatal(err)
		}
		sorted := sortedIn(t, room, listed)
		if len(sorted) > want.Len() && most > 0 {
			sorted = sorted[:most]
		}
		if all, err := want.Entries(nil, 0, want.Len()); err != nil || !slices.Equal(sorted, all) {
			t.Fatalf("sorted they are %+v, want %+v, %v", sorted, all, err)
		}
		if haveStats != wantStats {
			t.Fatalf("%+v, want %+v", haveStats, wantStats)
		}
		for _, m := range []*Manifest{have, read} {
			if m.Len() != want.Len() || m.Digest() != want.Digest() {
				t.Fatalf("%d entries with %s, want %d with %s", m.Len(), m.Digest(), want.Len(), want.Digest())
			}
			first := rapid.IntRange(0, m.Len()).Draw(t, "first")
			last := rapid.IntRange(first, m.Len()).Draw(t, "last")
			a, errA := m.Entries(nil, first, last)
			b, errB := want.Entries(nil, first, last)
			if errA != nil || errB != nil || !slices.Equal(a, b) {
				t.Fatalf("entries %d to %d are %+v, %v, want %+v, %v", first, last, a, errA, b, errB)
			}
			for i, e := range a {
				if at, ok, err := m.Find(e.Path); at != first+i || !ok || err != nil {
					t.Fatalf("Find(%q) = %d, %v, %v, want %d", e.Path, at, ok, err, first+i)
				}
			}
		}
		have.Close()
		read.Close()
		if open != 0 {
			t.Fatalf("%d scratches are left open", open)
		}
	})
}

// TestManyRuns merges some hundred runs whose names come out of order and
// twice, of which the one added last is kept.
// sortedIn is what Sorted calls its function with.
func sortedIn(t fataler, room Room, listed []Entry) []Entry {
	t.Helper()
	b := Builder{Room: room}
	for _, e := range listed {
		if err := b.Add(e); err != nil {
			t.Fatal(err)
		}
	}
	var all []Entry
	err := b.Sorted(func(e Entry) error {
		all = append(all, Entry{
			Path: strings.Clone(e.Path), Size: e.Size, ETag: strings.Clone(e.ETag), MD5: strings.Clone(e.MD5),
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestManyRuns(t *testing.T) {
	const n = 30_000
	open := 0
	b := Builder{Room: tight(10_000, &open)}
	for turn := range 2 {
		for i := range n {
			e := Entry{Path: string(rune('a'+i%26)) + "/" + string(rune(0x4e00+i*7919%n)), Size: int64(turn*n + i)}
			if err := b.Add(e); err != nil {
				t.Fatal(err)
			}
		}
	}
	if len(b.ends) < 100 {
		t.Errorf("%d runs", len(b.ends))
	}
	m, stats, err := b.Build(0)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if stats.Duplicates != n || m.Len() != n || open != 1 {
		t.Errorf("%d entries, %d duplicates, %d scratches", m.Len(), stats.Duplicates, open)
	}
	all, err := m.Entries(nil, 0, n)
	if err != nil {
		t.Fatal(err)
	}
	for i, e := range all {
		if e.Size < n || i > 0 && e.Path <= all[i-1].Path {
			t.Fatalf("entry %d is %+v after %+v", i, e, all[max(i-1, 0)])
		}
	}
}

// worn is a scratch that fails.
type worn struct {
	pad
	writes, reads int // that work
	short         bool
}

var errWorn = errors.New("no space left")

func (w *worn) Write(p []byte) (int, error) {
	if w.writes--; w.writes < 0 {
		return 0, errWorn
	}
	return w.pad.Write(p)
}

func (w *worn) ReadAt(p []byte, offset int64) (int, error) {
	if w.reads--; w.reads < 0 {
		if w.short {
			return 0, io.EOF
		}
		return 0, errWorn
	}
	return w.pad.ReadAt(p, offset)
}

// TestScratchFails says so wherever it happens, and leaves nothing open.
func TestScratchFails(t *testing.T) {
	build := func(room Room) (*Manifest, error) {
		b := Builder{Room: room}
		defer b.Close()
		for i := range 200 {
			if err := b.Add(Entry{Path: string(rune(i + 1)), Size: int64(i)}); err != nil {
				return nil, err
			}
		}
		m, _, err := b.Build(0)
		return m, err
	}
	t.Run("not there", func(t *testing.T) {
		if _, err := build(Room{Scratch: func() (Scratch, error) { return nil, errWorn }}); !errors.Is(err, errWorn) {
			t.Error(err)
		}
	})
	for _, short := range []bool{false, true} {
		failed := 0
		for n := range 500 {
			open := 0
			room := Room{Memory: 2500, Scratch: func() (Scratch, error) {
				open++
				return &worn{pad: pad{open: &open}, writes: n / 4, reads: n % 4, short: short}, nil
			}}
			m, err := build(room)
			if err == nil {
				_, err = m.Entries(nil, 0, m.Len())
				m.Close()
			}
			if err != nil {
				failed++
			}
			if err != nil && !short && !errors.Is(err, errWorn) {
				t.Errorf("after %d: %v", n, err)
			}
			if open != 0 {
				t.Errorf("after %d: %d scratches are left open", n, open)
			}
		}
		if failed == 0 || failed == 500 {
			t.Errorf("%d of 500 failed", failed)
		}
	}
}

// TestScratchIsDamaged changes each byte of what is read back.
func TestScratchIsDamaged(t *testing.T) {
	m := build(t, Entry{Path: "a", Size: 1, ETag: "x"}, Entry{Path: "b\n", Size: 2, ETag: "y"})
	for cut := range m.marks[len(m.marks)-1] - int64(len(header)) {
		var p pad
		if err := m.Encode(&p); err != nil {
			t.Fatal(err)
		}
		p.Bytes()[int64(len(header))+cut] = 0
		damaged := &Manifest{text: spool{out: &p, size: m.text.size}, marks: m.marks, n: m.n}
		if e, err := damaged.Entries(nil, 0, 2); err == nil && e[0].Path == "a" && e[1].Path == "b\n" && e[0].ETag == "x" && e[1].ETag == "y" {
			t.Errorf("byte %d: nobody noticed", cut)
		}
	}
}
