// Package codectest helps to test the decoders of picture formats.
package codectest

import (
	"archive/zip"
	"image"
	"image/color"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/batchscore/batchscore/models/preprocess/codec"
)

// Bounds are large enough for the pictures of tests.
var Bounds = codec.Bounds{MaxPixels: 178_956_970, MaxScans: 100}

// A Canvas keeps what a codec decodes. Its memory is random before.
type Canvas struct {
	codec.Pixels
	Orientation codec.Orientation
	Prepared    int   // calls of Prepare
	Noise       uint8 // chooses the random memory
}

// Prepare returns new memory of width x height pixels, in rows with gaps between them.
func (c *Canvas) Prepare(width, height int, o codec.Orientation, _ []codec.Scale) codec.Pixels {
	c.Prepared++
	c.Orientation = o
	c.Pixels = codec.Pixels{Pitch: 4*width + 12, Width: width, Height: height}
	c.Bytes = make([]uint8, c.Pitch*height)
	noise := rand.NewChaCha8([32]byte{byte(c.Prepared), c.Noise})
	_, _ = noise.Read(c.Bytes)
	return c.Pixels
}

// RGB returns the pixels as they are stored, three bytes each.
func (c *Canvas) RGB() []byte {
	rgb := make([]byte, 0, 3*c.Width*c.Height)
	for y := range c.Height {
		row := c.Row(y)
		for x := range c.Width {
			rgb = append(rgb, row[4*x:][:3]...)
		}
	}
	return rgb
}

// Upright returns the pixels turned by the orientation, three bytes each, and their size.
func (c *Canvas) Upright() (rgb []byte, width, height int) {
	width, height = c.Width, c.Height
	if c.Orientation >= 5 {
		width, height = height, width
	}
	for y := range height {
		for x := range width {
			sx, sy := Stored(c.Orientation, x, y, c.Width, c.Height)
			rgb = append(rgb, c.Row(sy)[4*sx:][:3]...)
		}
	}
	return rgb, width, height
}

// Stored returns where the pixel at (x, y) of the upright picture is stored, in a picture
// of width x height stored pixels: EXIF's table.
func Stored(o codec.Orientation, x, y, width, height int) (int, int) {
	switch o {
	case 2:
		return width - 1 - x, y
	case 3:
		return width - 1 - x, height - 1 - y
	case 4:
		return x, height - 1 - y
	case 5:
		return y, x
	case 6:
		return y, height - 1 - x
	case 7:
		return width - 1 - y, height - 1 - x
	case 8:
		return width - 1 - y, x
	}
	return x, y
}

// New returns a decoder of the format, which is closed with the test.
func New(tb testing.TB, f codec.Format, config codec.Config) codec.Decoder {
	tb.Helper()
	d, err := f.New(config)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(d.Close)
	return d
}

// Decode decodes src with a new decoder as an image of the format, which it must match.
func Decode(tb testing.TB, f codec.Format, bounds codec.Bounds, src []byte) (*Canvas, *codec.Failure) {
	tb.Helper()
	if !f.Matches(src) {
		tb.Fatalf("%d bytes are not recognised as %s", len(src), f.Name)
	}
	return DecodeWith(tb, New(tb, f, codec.Config{}), bounds, src)
}

// DecodeWith decodes src. It stops the test if the decoder returns an error, or if it
// decodes without calling Prepare once.
func DecodeWith(tb testing.TB, d codec.Decoder, bounds codec.Bounds, src []byte) (*Canvas, *codec.Failure) {
	tb.Helper()
	canvas := &Canvas{}
	fail, err := d.Decode(src, bounds, canvas)
	if err != nil {
		tb.Fatal(err)
	}
	if fail == nil && canvas.Prepared != 1 {
		tb.Fatalf("decoded with %d calls of Prepare, want 1", canvas.Prepared)
	}
	return canvas, fail
}

// WantPixels tests that src is an image that is upright with width x height pixels, and
// that these are their values of red, green and blue.
func WantPixels(tb testing.TB, f codec.Format, src []byte, width, height int, want []byte) {
	tb.Helper()
	WantPixelsNear(tb, f, src, width, height, want, 0)
}

// WantPixelsNear is WantPixels for values that may differ by most.
func WantPixelsNear(tb testing.TB, f codec.Format, src []byte, width, height int, want []byte, most int) {
	tb.Helper()
	c, fail := Decode(tb, f, Bounds, src)
	if fail != nil {
		tb.Fatal(fail)
	}
	got, w, h := c.Upright()
	if w != width || h != height {
		tb.Fatalf("decoded to %dx%d pixels, want %dx%d", w, h, width, height)
	}
	for i := range want {
		if max(int(got[i])-int(want[i]), int(want[i])-int(got[i])) > most {
			tb.Fatalf("first of other pixels at %d,%d: got %v, want %v", i/3%width, i/3/width, got[i/3*3:][:3], want[i/3*3:][:3])
		}
	}
}

// WantStatus tests the status of decoding src, and that a failure has a reason, which it
// returns.
func WantStatus(tb testing.TB, f codec.Format, src []byte, want codec.Status) (reason string) {
	tb.Helper()
	_, fail := Decode(tb, f, Bounds, src)
	if got := StatusOf(fail); got != want {
		tb.Errorf("status %s (%v), want %s", got, fail, want)
	}
	if fail == nil {
		return ""
	}
	if fail.Reason == "" {
		tb.Errorf("%s without a reason", fail.Status)
	}
	return fail.Reason
}

// StatusOf returns the status of a decode with this failure.
func StatusOf(fail *codec.Failure) codec.Status {
	if fail == nil {
		return codec.StatusOK
	}
	return fail.Status
}

// Archive returns the files of a ZIP archive by their names.
func Archive(tb testing.TB, path string) map[string][]byte {
	tb.Helper()
	z, err := zip.OpenReader(path)
	if err != nil {
		tb.Fatal(err)
	}
	defer z.Close()
	files := make(map[string][]byte)
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			tb.Fatal(err)
		}
		if files[f.Name], err = io.ReadAll(r); err != nil {
			tb.Fatal(err)
		}
		r.Close()
	}
	return files
}

// File returns the content of a file.
func File(tb testing.TB, path ...string) []byte {
	tb.Helper()
	b, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// RGB returns the pixels of an image, three bytes each, as codecs have them: alpha is
// dropped, and samples of 16 bits keep their upper 8.
func RGB(img image.Image) []byte {
	b := img.Bounds()
	var rgb []byte
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			switch c := img.At(x, y).(type) {
			case color.NRGBA:
				rgb = append(rgb, c.R, c.G, c.B)
			case color.NRGBA64:
				rgb = append(rgb, uint8(c.R>>8), uint8(c.G>>8), uint8(c.B>>8))
			default: // without alpha
				r, g, b, _ := c.RGBA()
				rgb = append(rgb, uint8(r>>8), uint8(g>>8), uint8(b>>8))
			}
		}
	}
	return rgb
}

// Picture returns a smooth scene with hard edges and grain.
func Picture(w, h int, seed uint64) *image.NRGBA {
	rnd := rand.New(rand.NewPCG(seed, 7))
	img := image.NewNRGBA(image.Rect(0, 0, w, h))
	fx, fy := 9+20*rnd.Float64(), 9+20*rnd.Float64()
	for y := range h {
		for x := range w {
			p := img.Pix[y*img.Stride+4*x:][:4]
			v := 128 + 70*math.Sin(float64(x)/fx)*math.Cos(float64(y)/fy)
			if (x/61+y/47)%3 == 0 {
				v += 40
			}
			for c := range 3 {
				p[c] = codec.Clamp(int(v+12*float64(c)*math.Sin(float64(x+y)/31)) + rnd.IntN(17) - 8)
			}
			p[3] = 255
		}
	}
	return img
}
