package codec

import (
	"bytes"
	"os"
	"regexp"
	"slices"
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

// black is a Canvas that is told of dark pictures.
type black struct {
	Canvas
	told int
}

func (b *black) Dark() { b.told++ }

// TestLevelsTold tests which pictures look black, and that a Canvas around another one tells it so.
func TestLevelsTold(t *testing.T) {
	for _, c := range []struct {
		name         string
		bright, dark int64
		want         int
	}{
		{name: "nothing was looked at"},
		{name: "all is dark", dark: 5, want: 1},
		{name: "one in a thousand is bright", bright: 1, dark: 999, want: 1},
		{name: "more are", bright: 2, dark: 1997},
	} {
		b := new(black)
		for _, to := range []Canvas{b, Stored(b), Turned(b, 6), Stored(Turned(b, 3))} {
			before := b.told
			l := Levels{bright: c.bright, all: c.bright + c.dark}
			if l.Tell(to); b.told-before != c.want {
				t.Errorf("%s: told %d times, want %d", c.name, b.told-before, c.want)
			}
		}
	}
	for value, bright := range map[uint8]int64{0: 0, 63: 0, 64: 4, 255: 4} {
		var l Levels
		if l.Look(Pixels{Bytes: bytes.Repeat([]byte{value}, 64), Pitch: 16, Width: 4, Height: 4}); l.bright != bright || l.all != 4 {
			t.Errorf("of pixels of %d, %d of %d are bright, want %d of 4", value, l.bright, l.all, bright)
		}
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

// TestTurn tests Turn by the table of EXIF: where the first stored pixel and the second one
// of its row are in the upright picture.
func TestTurn(t *testing.T) {
	const width, height = 3, 2
	for o, want := range map[Orientation][2][2]int{
		1: {{0, 0}, {1, 0}}, 2: {{2, 0}, {1, 0}}, 3: {{2, 1}, {1, 1}}, 4: {{0, 1}, {1, 1}},
		5: {{0, 0}, {0, 1}}, 6: {{1, 0}, {1, 1}}, 7: {{1, 2}, {1, 1}}, 8: {{0, 2}, {0, 1}},
		0: {{0, 0}, {1, 0}},
	} {
		transpose, flipX, flipY := o.Turn()
		for x := range 2 {
			ux, uy := x, 0
			if flipX {
				ux = width - 1 - ux
			}
			if flipY {
				uy = height - 1 - uy
			}
			if transpose {
				ux, uy = uy, ux
			}
			if got := [2]int{ux, uy}; got != want[x] {
				t.Errorf("orientation %d: stored pixel %d is at %v, want %v", o, x, got, want[x])
			}
		}
	}
}

func TestFail(t *testing.T) {
	if got, want := Fail(StatusCorrupt, "no pixels").Error(), "corrupt: no pixels"; got != want {
		t.Errorf("Fail() = %q, want %q", got, want)
	}
	if got, want := Fail(StatusTruncated, "%d bytes", 3).Error(), "truncated: 3 bytes"; got != want {
		t.Errorf("Fail() = %q, want %q", got, want)
	}
}

func TestPixels(t *testing.T) {
	p := Pixels{Bytes: make([]uint8, 30), Pitch: 10, Width: 2, Height: 3}
	Set(p.Row(2), 1, 1, 2, 3)
	if got := p.Bytes[24:27]; got[0] != 1 || got[1] != 2 || got[2] != 3 || len(p.Row(2)) != 8 {
		t.Errorf("Set wrote %v to a row of %d bytes, want 1, 2, 3 and 8 bytes", got, len(p.Row(2)))
	}
	for n, want := range map[int]int{1: 1, 8: 1, 9: 2, 16: 2} {
		if got := (Scale{Num: 1, Denom: 8}).Apply(n); got != want {
			t.Errorf("an eighth of %d pixels = %d, want %d", n, got, want)
		}
	}
	for v, want := range map[int]uint8{-1: 0, 0: 0, 255: 255, 256: 255} {
		if got := Clamp(v); got != want {
			t.Errorf("Clamp(%d) = %d, want %d", v, got, want)
		}
	}
}

func TestColours(t *testing.T) {
	var c Colours
	c.Put(0, 1, 2, 3)
	c.Put(1, 4, 5, 6)
	row := make([]uint8, 4*10)
	c.Fill(row, []uint8{1, 0})
	if got, want := row[:9], []uint8{4, 5, 6, 0, 1, 2, 3, 0, 0}; !slices.Equal(got, want) {
		t.Errorf("Fill wrote %v, want %v", got, want)
	}
	c.FillBits(row, []uint8{0b0100_0001, 0b1011_1111}, 9)
	for x, want := range []uint8{1, 4, 1, 1, 1, 1, 1, 4, 4, 0} {
		if row[4*x] != want {
			t.Errorf("FillBits: pixel %d has %d, want %d", x, row[4*x], want)
		}
	}
}

// TestRowPair tests that rows are reused.
func TestRowPair(t *testing.T) {
	var p RowPair
	a, _ := p.Of(9)
	b, c := p.Of(5)
	if &a[0] != &b[0] || len(b) != 5 || len(c) != 5 {
		t.Errorf("Of(5) = rows of %d and %d, the first reused: %t; want 5, 5, true", len(b), len(c), &a[0] == &b[0])
	}
}

func TestStateless(t *testing.T) {
	fail := Fail(StatusCorrupt, "no pixels")
	d, err := Stateless(func([]byte, Bounds, Canvas) *Failure { return fail }, func([]byte, Bounds) Need { return Need{Width: 7} })(Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if got, err := d.Decode(nil, Bounds{}, nil); got != fail || err != nil {
		t.Errorf("Decode() = %v, %v, want %v", got, err, fail)
	}
}

// TestFailuresAreComplete reads the constants from the source.
func TestFailuresAreComplete(t *testing.T) {
	source, err := os.ReadFile("failure.go")
	if err != nil {
		t.Fatal(err)
	}
	var want []Status
	for _, m := range regexp.MustCompile(`Status\w+ +Status = "(\w+)"`).FindAllSubmatch(source, -1) {
		if s := Status(m[1]); s != StatusOK {
			want = append(want, s)
		}
	}
	if got := Failures(); len(want) == 0 || !slices.Equal(got, want) {
		t.Errorf("Failures() = %v, want %v", got, want)
	}
}
