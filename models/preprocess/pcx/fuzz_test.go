package pcx

import (
	"testing"

	"github.com/batchscore/batchscore/models/preprocess/codec"
	"github.com/batchscore/batchscore/models/preprocess/codec/codectest"
)

const archive = "../testdata/formats.zip"

// TestFault19_References tests the pixels of pictures that Pillow decoded, and that parts of
// them are no other pictures.
func TestFault19_References(t *testing.T) {
	for _, f := range []codec.Format{Format, DCX} {
		t.Run(f.Name, func(t *testing.T) { codectest.ArchivedReferences(t, f, archive) })
	}
}

// FuzzFile decodes any bytes.
func FuzzFile(f *testing.F) {
	all := []codec.Format{Format, DCX}
	var decoders []codec.Decoder
	for _, format := range all {
		for _, src := range codectest.ArchivedSeeds(f, format, archive) {
			f.Add(src)
		}
		decoders = append(decoders, codectest.New(f, format, codec.Config{}))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		for i, d := range decoders {
			_, _ = codectest.Hostile(t, all[i], d, src)
		}
	})
}
