package bmp

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
	for _, run := range []form{
		{header: 40, bits: 8, compression: rle8, palette: make([]byte, 1024), pixels: []byte{3, 7, 0, 0, 0, 2, 1, 1, 0, 3, 1, 2, 3, 0, 0, 1}},
		{header: 40, bits: 4, compression: rle4, palette: make([]byte, 64), pixels: []byte{3, 0x71, 0, 0, 0, 3, 0x12, 0x30, 0, 1}},
		{header: 108, bits: 16, compression: bitfields, masks: [4]uint32{0xf800, 0x7e0, 0x1f}, pixels: make([]byte, 24)},
		{header: 12, bits: 1, palette: make([]byte, 6), pixels: make([]byte, 12)},
	} {
		f.Add(run.file(3, 3))
	}
	d := codectest.New(f, Format, codec.Config{})
	f.Fuzz(func(t *testing.T, src []byte) { _, _ = codectest.Hostile(t, Format, d, src) })
}
