package tiff

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/batchscore/batchscore/models/preprocess/codec"
	"github.com/batchscore/batchscore/models/preprocess/codec/codectest"
)

// TestSharedBlocks tests pictures whose strips of one pixel are all the same place in the file:
// a large one is much work for few bytes, and a small one is what writers do with equal tiles.
func TestSharedBlocks(t *testing.T) {
	for _, c := range []struct {
		name        string
		compression uint16
		block       []byte
		refused     bool
	}{
		{name: "no runs", compression: packBits, block: append(bytes.Repeat([]byte{0x80}, 1<<20), 0, 85), refused: true},
		{name: "empty blocks", compression: deflate, block: append([]byte("\x78\x9c"), bytes.Repeat([]byte("\x00\x00\x00\xff\xff"), 1<<18)...), refused: true},
		{name: "clear codes", compression: lzw, block: bytes.Repeat([]byte("\x80\x40\x20\x10\x08\x04\x02\x01\x00"), 1<<17), refused: true},
		{name: "a small block", compression: packBits, block: []byte{0, 85}},
	} {
		t.Run(c.name, func(t *testing.T) {
			const n = 1000
			le := binary.LittleEndian
			src := append([]byte("II*\x00\x00\x00\x00\x00"), c.block...)
			src = append(src, make([]byte, len(src)%2)...)
			offsets := len(src)
			for range n {
				src = le.AppendUint32(src, 8)
			}
			counts := len(src)
			for range n {
				src = le.AppendUint32(src, uint32(len(c.block)))
			}
			le.PutUint32(src[4:], uint32(len(src)))
			tags := [][4]int{{256, 4, 1, 1}, {257, 4, 1, n}, {258, 3, 1, 8}, {259, 3, 1, int(c.compression)}, {262, 3, 1, 1},
				{273, 4, n, offsets}, {277, 3, 1, 1}, {278, 4, 1, 1}, {279, 4, n, counts}}
			src = le.AppendUint16(src, uint16(len(tags)))
			for _, tag := range tags {
				src = le.AppendUint16(le.AppendUint16(src, uint16(tag[0])), uint16(tag[1]))
				src = le.AppendUint32(le.AppendUint32(src, uint32(tag[2])), uint32(tag[3]))
			}
			src = append(src, 0, 0, 0, 0)
			_, fail := codectest.DecodeWith(t, codectest.New(t, Format, codec.Config{}), codectest.Bounds, src)
			if refused := fail != nil && fail.Status == codec.StatusTooLarge; refused != c.refused || fail != nil && !refused {
				t.Errorf("%v, refused as too large is to be %v", fail, c.refused)
			}
		})
	}
}
