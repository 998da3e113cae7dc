package shard

import (
	"cmp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestOrder compares the sorting with that of strings, on paths that have long common
// prefixes, end early, contain NUL bytes or occur twice.
func TestOrder(t *testing.T) {
	piece := rapid.SampledFrom([]string{"", "a", "b", "\x00", "\xff", "/", "photos/2026/", "12345678", "\x00\x00\x00\x00\x00\x00\x00\x00"})
	rapid.Check(t, func(t *rapid.T) {
		paths := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) string {
			return strings.Join(rapid.SliceOfN(piece, 0, 6).Draw(t, "pieces"), "")
		}), 0, 200).Draw(t, "paths")
		var b Builder
		last := map[string]int64{}
		for i, path := range paths {
			if err := b.Add(Entry{Path: path, Size: int64(i)}); err != nil {
				t.Fatal(err)
			}
			last[path] = int64(i)
		}
		want := make([]Entry, 0, len(last))
		for path, i := range last {
			want = append(want, Entry{Path: path, Size: i})
		}
		slices.SortFunc(want, func(x, y Entry) int { return cmp.Compare(x.Path, y.Path) })
		b.sort()
		have := make([]Entry, 0, len(b.refs))
		for _, r := range b.refs {
			have = append(have, b.entry(r))
		}
		if !slices.Equal(have, want) || b.duplicates != len(paths)-len(want) {
			t.Fatalf("%+v with %d duplicates, want %+v", have, b.duplicates, want)
		}
	})
}
