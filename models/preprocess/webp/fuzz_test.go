package webp

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
	d := codectest.New(f, Format, codec.Config{})
	f.Fuzz(func(t *testing.T, src []byte) { _, _ = codectest.Hostile(t, Format, d, src) })
}
