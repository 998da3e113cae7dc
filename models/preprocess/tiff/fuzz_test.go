package tiff

import (
	"testing"

	"github.com/batchscore/batchscore/models/preprocess/codec"
	"github.com/batchscore/batchscore/models/preprocess/codec/codectest"
)

// FuzzFile decodes any bytes.
func FuzzFile(f *testing.F) {
	for _, src := range codectest.Seeds(f, Format, "../testdata") {
		f.Add(src)
	}
	// The archive has every tag that changes the meaning of pixels; a tenth of it will do.
	for i, c := range tiffCases(f) {
		if i%10 == 0 && len(c.file) < 4<<10 {
			f.Add(c.file)
		}
	}
	format := withInner(true)
	d := codectest.New(f, format, codec.Config{})
	f.Fuzz(func(t *testing.T, src []byte) { _, _ = codectest.Hostile(t, format, d, src) })
}
