package rawpreview

import (
	"bytes"
	"testing"
)

// jpeg returns the head of a JPEG with this kind of frame.
func jpeg(frame byte, width, height byte) []byte {
	return append([]byte("\xff\xd8\xff\xe0\x00\x04ab\xff"), frame, 0, 11, 8, 0, height, 0, width, 1, 1, 0x11, 0, 0xff, 0xda, 0, 2)
}

func TestPixels(t *testing.T) {
	for _, c := range []struct {
		name string
		src  []byte
		want int64
	}{
		{name: "baseline", src: jpeg(0xc0, 5, 7), want: 35},
		{name: "progressive", src: jpeg(0xc2, 5, 7), want: 35},
		{name: "without loss", src: jpeg(0xc3, 5, 7)},
		{name: "no scan", src: jpeg(0xc0, 5, 7)[:22]},
		{name: "only a signature", src: []byte("\xff\xd8\xff")},
		{name: "a segment beyond the end", src: []byte("\xff\xd8\xff\xe0\xff\xff")},
		{name: "nothing"},
	} {
		left := mostSegments
		if got := pixelsOf(c.src, &left); got != c.want {
			t.Errorf("%s: %d pixels, want %d", c.name, got, c.want)
		}
	}
}

// TestWorkIsBounded tests files whose segments have the beginning of another JPEG in them each,
// which take minutes where all are followed.
func TestWorkIsBounded(t *testing.T) {
	chain := bytes.Repeat([]byte("\xff\xe0\x00\x04\xff\xd8"), 1<<20)
	first := append([]byte("FUJIFILMCCD-RAW "), jpeg(0xc0, 3, 3)...)
	if preview, _ := Find(append(first, append([]byte("\xff\xd8"), chain...)...)); !bytes.HasPrefix(preview, jpeg(0xc0, 3, 3)) {
		t.Error("the preview before them is not found")
	}
	left := 1000
	if pixels := pixelsOf(append([]byte("\xff\xd8"), chain...), &left); pixels != 0 || left != 0 {
		t.Errorf("%d pixels, and %d segments are left, want 0 and 0", pixels, left)
	}
}

// FuzzFind looks for previews in any bytes.
func FuzzFind(f *testing.F) {
	f.Add([]byte("II*\x00\x08\x00\x00\x00\x02\x00\x12\x01\x03\x00\x01\x00\x00\x00\x06\x00\x00\x00\x01\x02\x04\x00\x01\x00\x00\x00\x26\x00\x00\x00"))
	f.Add(append([]byte("FUJIFILMCCD-RAW "), jpeg(0xc0, 3, 3)...))
	f.Add(append([]byte("IIU\x00\x08\x00\x00\x00\x01\x00\x2e\x00\x07\x00\x20\x00\x00\x00\x1a\x00\x00\x00\x08\x00\x00\x00"), jpeg(0xc0, 3, 3)...))
	f.Fuzz(func(t *testing.T, src []byte) {
		preview, o := Find(src)
		if o < 1 || o > 8 {
			t.Errorf("orientation %d", o)
		}
		if preview != nil && !bytes.HasPrefix(preview, []byte("\xff\xd8\xff")) {
			t.Errorf("%q is not a JPEG", preview[:min(3, len(preview))])
		}
	})
}
