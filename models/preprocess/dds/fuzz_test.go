package dds

import (
	"testing"

	"github.com/batchscore/batchscore/models/preprocess/codec"
	"github.com/batchscore/batchscore/models/preprocess/codec/codectest"
)

const archive = "../testdata/formats.zip"

// TestFault19_References tests the pixels of pictures that Pillow decoded, and that parts of
// them are no other pictures.
func TestFault19_References(t *testing.T) {
	codectest.ArchivedReferences(t, Format, archive)
}

// FuzzFile decodes any bytes.
func FuzzFile(f *testing.F) {
	for _, src := range codectest.ArchivedSeeds(f, Format, archive) {
		f.Add(src)
	}
	d := codectest.New(f, Format, codec.Config{})
	f.Fuzz(func(t *testing.T, src []byte) { _, _ = codectest.Hostile(t, Format, d, src) })
}
