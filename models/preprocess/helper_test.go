package preprocess

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"
	"math"
	"math/rand/v2"
	"os"
	"runtime"
	"testing"
)

// requireTurbo skips where libjpeg-turbo is missing, and fails where the tests
// that need it must not be skipped.
func requireTurbo(tb testing.TB) {
	tb.Helper()
	if _, err := JPEGBackend(); err != nil {
		if os.Getenv("CI") == "true" || os.Getenv("BATCHSCORE_REQUIRE") == "1" {
			tb.Fatal(err)
		}
		tb.Skip(err)
	}
}

func newDecoder(tb testing.TB, s Spec, opt Options) *Decoder {
	tb.Helper()
	d, err := NewDecoder(s, opt)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(d.Close)
	return d
}

func encodeJPEG(tb testing.TB, img image.Image, quality int) []byte {
	tb.Helper()
	var buf bytes.Buffer
	if err := jpeg.Encode(&buf, img, &jpeg.Options{Quality: quality}); err != nil {
		tb.Fatal(err)
	}
	return buf.Bytes()
}

// picture is a smooth scene with hard edges and grain.
func picture(w, h int, seed uint64) *image.NRGBA {
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
				p[c] = clamp8(int(v+12*float64(c)*math.Sin(float64(x+y)/31)) + rnd.IntN(17) - 8)
			}
			p[3] = 255
		}
	}
	return img
}

// allocated returns how many bytes of Go memory f takes.
func allocated(f func()) int {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return int(after.TotalAlloc - before.TotalAlloc)
}

// rgbx is an image as RGBX, in rows of four bytes a pixel, as fill writes what other
// decoders make: alpha is dropped, and samples of 16 bits keep their upper 8.
func rgbx(img image.Image) []uint8 {
	b := img.Bounds()
	var px []uint8
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			switch c := img.At(x, y).(type) {
			case color.NRGBA:
				px = append(px, c.R, c.G, c.B, 0)
			case color.NRGBA64:
				px = append(px, uint8(c.R>>8), uint8(c.G>>8), uint8(c.B>>8), 0)
			default: // without alpha
				r, g, b, _ := c.RGBA()
				px = append(px, uint8(r>>8), uint8(g>>8), uint8(b>>8), 0)
			}
		}
	}
	return px
}
