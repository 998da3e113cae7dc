package preprocess

import (
	"bytes"
	"image"
	"image/jpeg"
	"os"
	"testing"

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

// sizedSpec returns a Spec that keeps the size of images of w x h pixels.
func sizedSpec(w, h int) Spec {
	return Spec{Width: w, Height: h, Layout: HWC, DType: Uint8, Resize: PillowBilinear, Fit: Stretch}
}
