package jpeg

import (
	"bytes"
	"image/jpeg"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/batchscore/batchscore/models/preprocess/codec"
	"github.com/batchscore/batchscore/models/preprocess/codec/codectest"
)

// TestFault18_Segments tests that EXIF in many segments costs little to read.
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

// TestFault35_Walk tests that finding the orientation of a JPEG takes no memory.
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

// TestFault34_Colours tests that the meaning of the components is that of libjpeg, and that
// both decoders agree on the pixels, if components other than chroma are subsampled too.
func TestFault34_Colours(t *testing.T) {
	both := decoders(t)
	insert := func(b []byte, what []byte) []byte { return slices.Insert(bytes.Clone(b), 2, what...) }
	adobe := func(src []byte, transform byte) []byte {
		return insert(src, append([]byte("\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00"), transform))
	}
	// image/jpeg writes 4:2:0, no JFIF, and components 1 to 3.
	var buf bytes.Buffer
	if err := jpeg.Encode(&buf, codectest.Picture(61, 47, 3), &jpeg.Options{Quality: 90}); err != nil {
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
			var rgb [2][]byte
			for i, d := range both {
				canvas, fail := codectest.DecodeWith(t, d, codectest.Bounds, c.src)
				if fail != nil {
					t.Fatal(fail)
				}
				rgb[i] = canvas.RGB()
			}
			wantNear(t, rgb[0], rgb[1])
		})
	}
}

// decoders are both decoders of JPEG, libjpeg-turbo's first.
func decoders(t *testing.T) [2]codec.Decoder {
	t.Helper()
	requireTurbo(t)
	return [2]codec.Decoder{codectest.New(t, Format, codec.Config{}), codectest.New(t, Format, codec.Config{GoOnly: true})}
}

// fixtures returns the JPEGs of testdata by their names.
func fixtures(t *testing.T) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	for _, pattern := range []string{"*.jpg", "damaged/*.jpg"} {
		paths, err := filepath.Glob(filepath.Join("..", "testdata", pattern))
		if err != nil || len(paths) == 0 {
			t.Fatalf("no %s in testdata: %v", pattern, err)
		}
		for _, path := range paths {
			files[filepath.Base(path)] = codectest.File(t, path)
		}
	}
	return files
}

// onlyTurbo are fixtures that image/jpeg does not decode.
var onlyTurbo = map[string]bool{"jpeg-arithmetic.jpg": true, "jpeg-uneven.jpg": true}

// TestFault19_Decoders tests that both decoders give nearly the same pixels, or the same
// failure.
func TestFault19_Decoders(t *testing.T) {
	both := decoders(t)
	for name, src := range fixtures(t) {
		t.Run(name, func(t *testing.T) {
			turbo, fail := codectest.DecodeWith(t, both[0], codectest.Bounds, src)
			plain, plainFail := codectest.DecodeWith(t, both[1], codectest.Bounds, src)
			switch {
			case onlyTurbo[name]:
				if fail != nil || codectest.StatusOf(plainFail) != codec.StatusUnsupported {
					t.Errorf("libjpeg-turbo: %v, image/jpeg: %v; want ok and unsupported", fail, plainFail)
				}
			case fail != nil:
				if plainFail == nil || *plainFail != *fail {
					t.Errorf("libjpeg-turbo: %v, image/jpeg: %v; want the same", fail, plainFail)
				}
			case plainFail != nil:
				t.Errorf("image/jpeg: %v, want ok as with libjpeg-turbo", plainFail)
			default:
				if turbo.Orientation != plain.Orientation {
					t.Errorf("orientations %d and %d, want the same", turbo.Orientation, plain.Orientation)
				}
				wantNear(t, turbo.RGB(), plain.RGB())
			}
		})
	}
}

// wantNear tests that the pixels of both decoders are within the bounds that the package's
// documentation states.
func wantNear(t *testing.T, a, b []byte) {
	t.Helper()
	if len(a) != len(b) {
		t.Fatalf("%d and %d bytes, want the same", len(a), len(b))
	}
	most, sum := 0, 0
	for i := range a {
		d := max(int(a[i])-int(b[i]), int(b[i])-int(a[i]))
		most, sum = max(most, d), sum+d
	}
	if mean := float64(sum) / float64(len(a)); most > 3 || mean > 0.25 {
		t.Errorf("pixels differ by at most %d, on average %.3f; want 3 and 0.25 at most", most, mean)
	}
}

// TestFault34_Bytes damages JPEGs. libjpeg-turbo must accept what image/jpeg accepts, and
// both must give the same reason for what they refuse.
func TestFault34_Bytes(t *testing.T) {
	both := decoders(t)
	for name, file := range fixtures(t) {
		if onlyTurbo[name] {
			continue
		}
		t.Run(name, func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(34, uint64(len(file))))
			for range 40 {
				src := bytes.Clone(file)
				switch at := 3 + rnd.IntN(len(src)-3); rnd.IntN(4) {
				case 0:
					src = src[:at]
				case 1:
					src = slices.Delete(src, at, min(at+1+rnd.IntN(9), len(src)))
				default:
					src[at] = byte(rnd.Uint32())
				}
				_, turbo := codectest.DecodeWith(t, both[0], codectest.Bounds, src)
				_, plain := codectest.DecodeWith(t, both[1], codectest.Bounds, src)
				if turbo != nil && (plain == nil || *turbo != *plain) {
					t.Errorf("libjpeg-turbo: %v, image/jpeg: %v; want the same: %x", turbo, plain, src)
				}
			}
		})
	}
}

// requireTurbo skips a test if libjpeg-turbo is missing, and fails it where tests must not
// be skipped.
func requireTurbo(t *testing.T) {
	t.Helper()
	if _, err := Backend(); err != nil {
		if os.Getenv("CI") == "true" || os.Getenv("BATCHSCORE_REQUIRE") == "1" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
}

// TestDecodeRGB tests the bare decode of benchmarks.
func TestDecodeRGB(t *testing.T) {
	requireTurbo(t)
	src := codectest.File(t, "..", "testdata", "jpeg-444.jpg")
	c, fail := codectest.Decode(t, Format, codectest.Bounds, src)
	if fail != nil {
		t.Fatal(fail)
	}
	turbo, err := NewTurbo()
	if err != nil {
		t.Fatal(err)
	}
	defer turbo.Close()
	rgb := make([]byte, 3*c.Width*c.Height)
	if err := turbo.DecodeRGB(rgb, src, c.Width, c.Height); err != nil || !bytes.Equal(rgb, c.RGB()) {
		t.Errorf("DecodeRGB() = %v, or other pixels; want those of Decode", err)
	}
	if err := turbo.DecodeRGB(rgb, src, c.Width, c.Height+1); err == nil {
		t.Error("DecodeRGB into too little memory = nil, want an error")
	}
	if err := turbo.DecodeRGB(rgb, []byte("\xff\xd8\xff"), c.Width, c.Height); err == nil {
		t.Error("DecodeRGB of three bytes = nil, want an error")
	}
}

// TestFault19_References compares the pixels with Pillow's.
func TestFault19_References(t *testing.T) {
	requireTurbo(t)
	codectest.References(t, Format, filepath.Join("..", "testdata"), 1)
}

// TestFault35_Orientations tests that the orientation is found where Pillow finds it.
func TestFault35_Orientations(t *testing.T) {
	codectest.Orientations(t, Format, filepath.Join("..", "testdata", "orientation.zip"))
}

// TestFault17_Prefixes cuts a file everywhere.
func TestFault17_Prefixes(t *testing.T) {
	codectest.Prefixes(t, Format, codectest.File(t, "..", "testdata", "jpeg-420.jpg"))
}
