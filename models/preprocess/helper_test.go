package preprocess

import (
	"bytes"
	"image"
	"image/jpeg"
	"math"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/batchscore/batchscore/models/preprocess/codec"
	turbo "github.com/batchscore/batchscore/models/preprocess/jpeg"
)

// requireTurbo skips a test if libjpeg-turbo is missing, and fails it where tests must not
// be skipped.
func requireTurbo(tb testing.TB) {
	tb.Helper()
	if _, err := turbo.Backend(); err != nil {
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

// picture returns a smooth scene with hard edges and grain.
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
				p[c] = codec.Clamp(int(v+12*float64(c)*math.Sin(float64(x+y)/31)) + rnd.IntN(17) - 8)
			}
			p[3] = 255
		}
	}
	return img
}

// sizedSpec returns a Spec that keeps the size of images of w x h pixels.
func sizedSpec(w, h int) Spec {
	return Spec{Width: w, Height: h, Layout: HWC, DType: Uint8, Resize: PillowBilinear, Fit: Stretch}
}
