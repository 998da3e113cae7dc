package shard

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"
)

func build(t testing.TB, entries ...Entry) *Manifest {
	t.Helper()
	m, _ := buildIn(t, Room{}, 0, entries)
	return m
}

// testing.TB and rapid.T have this in common.
type fataler interface {
	Helper()
	Fatal(args ...any)
}

func buildIn(t fataler, room Room, most int, entries []Entry) (*Manifest, BuildStats) {
	t.Helper()
	b := Builder{Room: room}
	for _, e := range entries {
		if err := b.Add(e); err != nil {
			t.Fatal(err)
		}
	}
	m, stats, err := b.Build(most)
	if err != nil {
		t.Fatal(err)
	}
	return m, stats
}

func at(t fataler, m *Manifest, i int) Entry {
	t.Helper()
	e, err := m.At(i)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func encode(t testing.TB, m *Manifest) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := m.Encode(&out); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestBuildSortsByBytesAndDropsDuplicates(t *testing.T) {
	m, stats := buildIn(t, Room{}, 0, []Entry{
		{
			Path: "b",
			Size: 1,
			ETag: "x",
		}, {
			Path: "a",
			Size: 2,
			ETag: "x",
		}, {
			Path: "B",
			Size: 3,
			ETag: "x",
		}, {Path: "a/b", Size: 4, ETag: "x"}, {Path: "a", Size: 5, ETag: "later"}, {Path: "é", Size: 6, ETag: "x"}, {Path: "a.b", Size: 7, ETag: ""},
		{Path: "\xff", Size: 8, ETag: "x"}, {Path: "e\u0301", Size: 9, ETag: "x"}, {Path: "a", Size: 5, ETag: "later"},
	})
	if stats.Duplicates != 2 {
		t.Errorf("%d duplicates, want 2", stats.Duplicates)
	}
	want := []Entry{
		{
			Path: "B",
			Size: 3,
			ETag: "x",
		}, {
			Path: "a",
			Size: 5,
			ETag: "later",
		}, {Path: "a.b", Size: 7, ETag: ""}, {Path: "a/b", Size: 4, ETag: "x"}, {Path: "b", Size: 1, ETag: "x"}, {Path: "e\u0301", Size: 9, ETag: "x"},
		{Path: "é", Size: 6, ETag: "x"}, {Path: "\xff", Size: 8, ETag: "x"},
	}
	if m.Len() != len(want) {
		t.Fatalf("%d entries, want %d", m.Len(), len(want))
	}
	for i, w := range want {
		if got := at(t, m, i); got != w {
			t.Errorf("entry %d: %+v, want %+v", i, got, w)
		}
		if at, ok, err := m.Find(w.Path); err != nil || !ok || at != i {
			t.Errorf("Find(%q) = %d, %v, %v, want %d", w.Path, at, ok, err, i)
		}
	}
	if at, ok, err := m.Find("c"); err != nil || ok || at != 5 {
		t.Errorf("Find of a path that is not there: %d, %v", at, ok)
	}
}

func TestEncodeGolden(t *testing.T) {
	m := build(t, Entry{Path: "it's \"a\"\\\n\x01\x7f,é.jpg", Size: 12, ETag: "1-2"}, Entry{Path: "\xffx\xc3", Size: 0, ETag: ""})
	const want = `{"format":"batchscore-manifest","version":1}
{"path":"it's \"a\"\\\n\u0001\u007f,é.jpg","size":12,"etag":"1-2"}
{"path":"` + "\uFFFDx\uFFFD" + `","path_base64":"/3jD","size":0,"etag":""}
{"entries":2,"sha256":"`
	got := string(encode(t, m))
	if !strings.HasPrefix(got, want) {
		t.Fatalf("got\n%s\nwant\n%s", got, want)
	}
	if hex := strings.TrimPrefix(m.Digest(), "sha256:"); got != want+hex+"\"}\n" {
		t.Errorf("the trailer does not hold the digest %s:\n%s", hex, got)
	}
}

func TestBuildOfTheFirst(t *testing.T) {
	all := []Entry{{Path: "c", Size: 3}, {Path: "a", Size: 1}, {Path: "b", Size: 2}, {Path: "c", Size: 4}}
	m, stats := buildIn(t, Room{}, 2, all)
	if m.Len() != 2 || at(t, m, 0).Path != "a" || at(t, m, 1).Path != "b" || stats.Duplicates != 1 {
		t.Errorf("the first 2 in order: %d, %v, %d duplicates", m.Len(), at(t, m, 0), stats.Duplicates)
	}
	if want := build(t, all[1], all[2]); m.Digest() != want.Digest() {
		t.Error("the digest is not that of the entries")
	}
	if m, _ := buildIn(t, Room{}, 9, all); m.Len() != 3 {
		t.Errorf("of at most 9 there are %d", m.Len())
	}
}

// TestMD5 is written where it is known, and nothing but 16 bytes is read back.
func TestMD5(t *testing.T) {
	m := build(t, Entry{Path: "a", Size: 1, ETag: "x", MD5: "0123456789abcdef"}, Entry{Path: "b", MD5: "short"})
	const line = `{"path":"a","size":1,"etag":"x","md5":"MDEyMzQ1Njc4OWFiY2RlZg=="}` + "\n" + `{"path":"b","size":0,"etag":""}` + "\n"
	text := string(encode(t, m))
	if !strings.Contains(text, line) {
		t.Errorf("got\n%swant\n%s", text, line)
	}
	for _, bad := range []string{`""`, `"MDEy"`, `"MDEyMzQ1Njc4OWFiY2RlZmc="`, `3`, `null`} {
		body := strings.Replace(text[:strings.LastIndex(text, `{"entries"`)], `"MDEyMzQ1Njc4OWFiY2RlZg=="`, bad, 1)
		sum := sha256.Sum256([]byte(body))
		body += fmt.Sprintf(`{"entries":2,"sha256":"%x"}`+"\n", sum)
		if _, err := DecodeManifest(strings.NewReader(body), Room{}); !errors.Is(err, ErrCorrupt) {
			t.Errorf("md5 %s: %v, want ErrCorrupt", bad, err)
		}
	}
}

func entries(t *rapid.T) []Entry {
	text := rapid.OneOf(rapid.String(), rapid.Custom(func(t *rapid.T) string {
		return string(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes"))
	}))
	return rapid.SliceOf(rapid.Custom(func(t *rapid.T) Entry {
		return Entry{
			Path: text.Draw(t, "path"), Size: rapid.Int64().Draw(t, "size"), ETag: text.Draw(t, "etag"),
			MD5: rapid.SampledFrom([]string{"", "\x00123456789abcde\xff"}).Draw(t, "md5"),
		}
	})).Draw(t, "entries")
}

func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m, _ := buildIn(t, Room{}, 0, entries(t))
		var out bytes.Buffer
		if err := m.Encode(&out); err != nil {
			t.Fatal(err)
		}
		back, err := DecodeManifest(bytes.NewReader(out.Bytes()), Room{})
		if err != nil {
			t.Fatal(err)
		}
		if back.Len() != m.Len() || back.Digest() != m.Digest() {
			t.Fatalf("%d entries with %s became %d with %s", m.Len(), m.Digest(), back.Len(), back.Digest())
		}
		for i := range m.Len() {
			if at(t, m, i) != at(t, back, i) {
				t.Fatalf("entry %d: %+v became %+v", i, at(t, m, i), at(t, back, i))
			}
		}
	})
}

func TestDecodeRefusesWhatWasNotWritten(t *testing.T) {
	good := string(encode(t, build(t, Entry{Path: "a", Size: 1, ETag: "x"}, Entry{Path: "b", Size: 2, ETag: "y"}, Entry{Path: "\xff", Size: 3, ETag: "z"})))
	lines := strings.SplitAfter(good, "\n")
	swapped := lines[0] + lines[2] + lines[1] + lines[3] + lines[4]
	for name, text := range map[string]string{
		"empty":              "",
		"no header":          strings.Join(lines[1:], ""),
		"other version":      strings.Replace(good, `"version":1`, `"version":2`, 1),
		"entry lost":         lines[0] + lines[1] + lines[3] + lines[4],
		"entry doubled":      lines[0] + lines[1] + lines[1] + lines[2] + lines[3] + lines[4],
		"out of order":       swapped,
		"no trailer":         strings.Join(lines[:4], ""),
		"cut in a line":      good[:len(good)-9],
		"last newline gone":  strings.TrimSuffix(good, "\n"),
		"something after":    good + "\n",
		"size changed":       strings.Replace(good, `"size":1`, `"size":7`, 1),
		"spaces":             strings.Replace(good, `"size":1`, `"size": 1`, 1),
		"unknown field":      strings.Replace(good, `"size":1`, `"size":1,"more":2`, 1),
		"not JSON":           strings.Replace(good, `{"path":"b"`, `["path":"b"`, 1),
		"wrong base64":       strings.Replace(good, `"/w=="`, `"/v=="`, 1),
		"needless base64":    strings.Replace(good, `"path":"a"`, `"path":"a","path_base64":"YQ=="`, 1),
		"count wrong":        strings.Replace(good, `"entries":3`, `"entries":4`, 1),
		"line without bound": lines[0] + `{"path":"` + strings.Repeat("a", maxLine),
	} {
		if _, err := DecodeManifest(strings.NewReader(text), Room{}); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v, want ErrCorrupt", name, err)
		}
	}
	if _, err := DecodeManifest(strings.NewReader(good), Room{}); err != nil {
		t.Errorf("the good one: %v", err)
	}
}

func TestDecodePassesErrorsOfTheReaderOn(t *testing.T) {
	good := encode(t, build(t, Entry{Path: "a", Size: 1, ETag: "x"}))
	broken := errors.New("connection reset")
	for _, n := range []int{0, 10, 60, len(good)} {
		r := io.MultiReader(bytes.NewReader(good[:n]), iotest.ErrReader(broken))
		if _, err := DecodeManifest(r, Room{}); !errors.Is(err, broken) || errors.Is(err, ErrCorrupt) {
			t.Errorf("after %d bytes: %v", n, err)
		}
	}
}

func TestEncodePassesErrorsOfTheWriterOn(t *testing.T) {
	full := errors.New("no space left")
	for _, n := range []int{0, 80} {
		if err := build(t, Entry{Path: "a", Size: 1, ETag: "x"}).Encode(&limited{n, full}); !errors.Is(err, full) {
			t.Errorf("after %d bytes: %v", n, err)
		}
	}
}

type limited struct {
	n   int
	err error
}

func (l *limited) Write(p []byte) (int, error) {
	if l.n -= len(p); l.n < 0 {
		return 0, l.err
	}
	return len(p), nil
}

// What is accepted is what Encode writes, so that one manifest has one form
// and one digest.
func FuzzDecodeManifest(f *testing.F) {
	f.Add(encode(f, build(f)))
	f.Add(encode(f, build(f, Entry{
		Path: "a",
		Size: 1,
		ETag: "x",
	}, Entry{Path: "b\xff", Size: -2, ETag: "\xfe"}, Entry{Path: "\"\\\u2028\n", Size: 3, ETag: ""})))
	f.Add([]byte(header + `{"path":"a","size":1,"etag":""}` + "\n"))
	f.Add([]byte(header + `{"entries":0,"sha256":""}` + "\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := DecodeManifest(bytes.NewReader(data), Room{})
		if err != nil {
			if !errors.Is(err, ErrCorrupt) {
				t.Fatalf("%v is not ErrCorrupt", err)
			}
			return
		}
		if again := encode(t, m); !bytes.Equal(again, data) {
			t.Fatalf("accepted %q, which is written %q", data, again)
		}
	})
}

// collection adds n entries as a listing of a container gives them.
func collection(t testing.TB, b *Builder, n int) {
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range n {
		if err := b.Add(Entry{
			Path: fmt.Sprintf("images/%03d/photo-%08x-%07d.jpg", i%1000, rng.Uint32(), i),
			Size: int64(rng.IntN(1 << 18)),
			ETag: fmt.Sprintf("0x8D%013X", rng.Uint64()>>12),
		}); err != nil {
			t.Fatal(err)
		}
	}
}

// listed is the manifest of a collection of n images.
func listed(t testing.TB, n int) *Manifest {
	var b Builder
	collection(t, &b, n)
	m, _, err := b.Build(0)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func allocated() uint64 {
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return s.TotalAlloc
}

func TestPlanning366111NamesStaysWithin300MB(t *testing.T) {
	const images, ranks = 366_111, 32
	before := allocated()
	m := listed(t, images)
	if err := m.Encode(io.Discard); err != nil {
		t.Fatal(err)
	}
	c := Chunks{Entries: m.Len(), Size: DefaultChunk(m.Len(), 0)}
	sum := 0
	for rank := range ranks {
		sum += c.ShareImages(rank, ranks)
	}
	if sum != images {
		t.Errorf("the shares sum to %d", sum)
	}
	if n := allocated() - before; n > 300e6 {
		t.Errorf("planning allocated %d bytes in all, want at most 300 MB", n)
	}
}

// A chunk's entries come in one piece of memory.
func TestReadingEntriesAllocatesOnce(t *testing.T) {
	m := listed(t, 1000)
	buf := make([]Entry, 0, 128)
	if n := testing.AllocsPerRun(10, func() {
		if _, err := m.Entries(buf, 512, 640); err != nil {
			t.Error(err)
		}
	}); n != 1 {
		t.Errorf("%v allocations for 128 entries", n)
	}
}

func BenchmarkPlan366111(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		m := listed(b, 366_111)
		if err := m.Encode(io.Discard); err != nil {
			b.Fatal(err)
		}
		c := Chunks{Entries: m.Len(), Size: DefaultChunk(m.Len(), 0)}
		for rank := range 32 {
			c.Share(rank, 32)
		}
	}
}

func BenchmarkDecodeManifest366111(b *testing.B) {
	m := listed(b, 366_111)
	text := encode(b, m)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if _, err := DecodeManifest(bytes.NewReader(text), Room{}); err != nil {
			b.Fatal(err)
		}
	}
}
