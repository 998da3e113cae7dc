package jpeg

import (
	"bytes"
	"image"
	"image/jpeg"
	"slices"
	"testing"

	"github.com/batchscore/batchscore/models/preprocess/codec"
	"github.com/batchscore/batchscore/models/preprocess/codec/codectest"
)

// TestFault18_Segments: EXIF in many segments costs little to read.
func TestFault18_Segments(t *testing.T) {
	const pieces = 10_000
	jpg := codectest.File(t, "..", "testdata", "jpeg-420.jpg")
	piece := append([]byte{0xff, mAPP1, 0, 9}, "Exif\x00\x00x"...)
	src := bytes.Join([][]byte{jpg[:2], bytes.Repeat(piece, pieces), jpg[2:]}, nil)
	n := testing.AllocsPerRun(1, func() {
		if _, fail := walk(src, codectest.Bounds); fail != nil {
			t.Fatal(fail)
		}
	})
	if n > 100 {
		t.Errorf("%v allocations for %d segments, want at most 100", n, pieces)
	}
}

// TestFault35_Walk: finding the orientation of a JPEG takes no memory.
func TestFault35_Walk(t *testing.T) {
	src := codectest.File(t, "..", "testdata", "exif-6.jpg")
	n := testing.AllocsPerRun(100, func() {
		if h, fail := walk(src, codectest.Bounds); fail != nil || h.orientation != 6 {
			t.Fatalf("orientation %d (%v), want 6", h.orientation, fail)
		}
	})
	if n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}

// TestFault34_Declared: how components are coded is found as libjpeg does.
func TestFault34_Declared(t *testing.T) {
	insert := func(b []byte, what []byte) []byte { return slices.Insert(bytes.Clone(b), 2, what...) }
	adobe := func(src []byte, transform byte) []byte {
		return insert(src, append([]byte("\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00"), transform))
	}
	// image/jpeg writes no JFIF, and components 1 to 3.
	var buf bytes.Buffer
	if err := jpeg.Encode(&buf, image.NewYCbCr(image.Rect(0, 0, 61, 47), image.YCbCrSubsampleRatio420), nil); err != nil {
		t.Fatal(err)
	}
	src := buf.Bytes()
	named := bytes.Clone(src)
	frame, scan := bytes.Index(named, []byte{0xff, mSOF0}), bytes.Index(named, []byte{0xff, mSOS})
	for i, id := range []byte("RGB") {
		named[frame+10+3*i], named[scan+5+2*i] = id, id
	}
	ycck := codectest.File(t, "..", "testdata", "jpeg-ycck.jpg")
	cmyk := bytes.Clone(ycck)
	cmyk[bytes.Index(cmyk, []byte("Adobe"))+11] = 0
	jfif := []byte("\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00")
	for _, c := range []struct {
		name string
		src  []byte
		want colour
	}{
		{name: "YCbCr", src: src, want: colourYCbCr},
		{name: "Adobe's RGB", src: adobe(src, 0), want: colourRGB},
		{name: "Adobe's YCbCr", src: adobe(src, 1), want: colourYCbCr},
		{name: "components R, G, B", src: named, want: colourRGB},
		{name: "components R, G, B of Adobe's YCbCr", src: adobe(named, 1), want: colourYCbCr},
		{name: "components R, G, B of a JFIF", src: insert(named, jfif), want: colourYCbCr},
		{name: "Adobe's RGB of a JFIF", src: insert(adobe(src, 0), jfif), want: colourYCbCr},
		{name: "YCCK", src: ycck, want: colourYCCK},
		{name: "CMYK, subsampled", src: cmyk, want: colourCMYK},
	} {
		t.Run(c.name, func(t *testing.T) {
			h, fail := walk(c.src, codec.Bounds{MaxPixels: 1 << 20, MaxScans: 1})
			if got := h.colour(); fail != nil || got != c.want {
				t.Errorf("colour() = %d (%v), want %d", got, fail, c.want)
			}
		})
	}
}
