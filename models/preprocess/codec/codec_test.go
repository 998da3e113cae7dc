package codec

import (
	"strings"
	"testing"
)

func TestCheckSize(t *testing.T) {
	b := Bounds{MaxPixels: 12}
	for _, c := range []struct {
		name          string
		width, height int
		want          string
	}{
		{name: "at the bound", width: 4, height: 3},
		{name: "beyond it", width: 13, height: 1, want: "too_large: 13x1 pixels, more than the 12 of --max-pixels"},
		{name: "beyond 64 bits if it were not checked", width: 1<<32 - 1, height: 1<<31 - 1, want: "too_large: "},
		{name: "a long side", width: MaxSide + 1, height: 0, want: "too_large: 1048577x0 pixels, with a side of more than 1048576"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := b.CheckSize(c.width, c.height)
			if (f != nil) != (c.want != "") || f != nil && !strings.HasPrefix(f.Error(), c.want) {
				t.Errorf("CheckSize(%d, %d) = %v, want %q", c.width, c.height, f, c.want)
			}
		})
	}
}

func TestMatches(t *testing.T) {
	even := func(src []byte) bool { return len(src)%2 == 0 }
	for _, c := range []struct {
		name   string
		format Format
		src    string
		want   bool
	}{
		{name: "a signature", format: Format{Signatures: []string{"AB"}}, src: "ABC", want: true},
		{name: "another one", format: Format{Signatures: []string{"AB"}}, src: "BAC"},
		{name: "a part of it", format: Format{Signatures: []string{"AB"}}, src: "A"},
		{name: "the second of two", format: Format{Signatures: []string{"AB", "CD"}}, src: "CD", want: true},
		{name: "any byte", format: Format{Signatures: []string{"A..B"}}, src: "AxyB", want: true},
		{name: "only the function", format: Format{Match: even}, src: "xy", want: true},
		{name: "both", format: Format{Signatures: []string{"AB"}, Match: even}, src: "AB", want: true},
		{name: "not the function", format: Format{Signatures: []string{"AB"}, Match: even}, src: "ABC"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := c.format.Matches([]byte(c.src)); got != c.want {
				t.Errorf("Matches(%q) = %t, want %t", c.src, got, c.want)
			}
		})
	}
}

func TestPacked(t *testing.T) {
	line := []byte{0b10_01_11_00, 0x5a}
	for _, c := range []struct {
		x, bits int
		want    uint8
	}{
		{x: 0, bits: 1, want: 1}, {x: 1, bits: 1, want: 0}, {x: 3, bits: 1, want: 1}, {x: 9, bits: 1, want: 1},
		{x: 0, bits: 2, want: 2}, {x: 2, bits: 2, want: 3}, {x: 4, bits: 2, want: 1},
		{x: 1, bits: 4, want: 12}, {x: 2, bits: 4, want: 5}, {x: 3, bits: 4, want: 10},
		{x: 1, bits: 8, want: 0x5a},
	} {
		if got := Packed(line, c.x, c.bits); got != c.want {
			t.Errorf("Packed(%x, %d, %d) = %d, want %d", line, c.x, c.bits, got, c.want)
		}
	}
}
