package gif

import (
	"bytes"
	"image"
	"image/gif"
	"testing"

	"github.com/batchscore/batchscore/models/preprocess/codec"
	"github.com/batchscore/batchscore/models/preprocess/codec/codectest"
)

// FuzzFile decodes any bytes, and compares frames without transparency that fill the screen
// with image/gif.
func FuzzFile(f *testing.F) {
	for _, src := range codectest.Seeds(f, Format, "../testdata") {
		f.Add(src)
	}
	table := []byte("\x00\x00\x00\xff\x00\x00\x00\xff\x00\x00\x00\xff")
	f.Add(gifOf(f, 3, 2, 0, 0, 3, 2, table, []byte{1, 2, 3, 3, 2, 1}))
	f.Add(gifOf(f, 3, 2, 1, 1, 3, 2, nil, []byte{1, 2, 3, 3, 2, 1}))
	d := codectest.New(f, Format, codec.Config{})
	f.Fuzz(func(t *testing.T, src []byte) {
		got, fail := codectest.Hostile(t, Format, d, src)
		if got == nil {
			return
		}
		size, err := gif.DecodeConfig(bytes.NewReader(src))
		if err != nil || int64(size.Width)*int64(size.Height) > codectest.Small.MaxPixels {
			return
		}
		img, err := gif.Decode(bytes.NewReader(src))
		if err != nil || img.Bounds() != image.Rect(0, 0, size.Width, size.Height) || img.Bounds().Empty() || !img.(*image.Paletted).Opaque() {
			return
		}
		if fail != nil {
			t.Errorf("%v, and image/gif decodes it to %v", fail, img.Bounds())
		} else if !bytes.Equal(got.RGB(), codectest.RGB(img)) {
			t.Error("other pixels than with image/gif")
		}
	})
}
