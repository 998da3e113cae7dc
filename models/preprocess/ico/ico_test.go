package ico_test

import (
	"encoding/binary"
	"testing"

	"github.com/batchscore/batchscore/models/preprocess/bmp"
	"github.com/batchscore/batchscore/models/preprocess/codec"
	"github.com/batchscore/batchscore/models/preprocess/codec/codectest"
	"github.com/batchscore/batchscore/models/preprocess/ico"
)

// TestDamagedBitmap tests icons whose bitmap has a header of no BMP.
func TestDamagedBitmap(t *testing.T) {
	for _, c := range []struct {
		name                        string
		size, height, bits, packing int
		want                        codec.Status
	}{
		{name: "whole", size: 40, height: 2, bits: 24},
		{name: "no height", size: 40, bits: 24, want: codec.StatusCorrupt},
		{name: "a height of the mask only", size: 40, height: 1, bits: 24, want: codec.StatusCorrupt},
		{name: "a height of -1", size: 40, height: -1, bits: 24, want: codec.StatusCorrupt},
		{name: "no bits", size: 40, height: 2, want: codec.StatusUnsupported},
		{name: "another compression", size: 40, height: 2, bits: 24, packing: 77, want: codec.StatusUnsupported},
		{name: "another header", size: 41, height: 2, bits: 24, want: codec.StatusUnsupported},
	} {
		t.Run(c.name, func(t *testing.T) {
			src := append([]byte("\x00\x00\x01\x00\x01\x00\x01\x01\x00\x00\x01\x00\x18\x00\x30\x00\x00\x00\x16\x00\x00\x00"), make([]byte, 48)...)
			b := src[22:]
			for i, v := range []int{c.size, 1, c.height, 1 | c.bits<<16, c.packing} {
				binary.LittleEndian.PutUint32(b[4*i:], uint32(v))
			}
			inner := codectest.New(t, bmp.Format, codec.Config{})
			d := codectest.New(t, ico.ICO, codec.Config{Inner: func(string) codec.Decoder { return inner }})
			_ = d.Need(src, codectest.Bounds)
			_, fail := codectest.DecodeWith(t, d, codectest.Bounds, src)
			if c.want == "" && fail != nil || c.want != "" && (fail == nil || fail.Status != c.want) {
				t.Errorf("%v, want %q", fail, c.want)
			}
		})
	}
}
