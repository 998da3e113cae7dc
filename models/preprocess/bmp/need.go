package bmp

import "github.com/batchscore/batchscore/models/preprocess/codec"

// need is codec.Decoder's Need.
func need(src []byte, bounds codec.Bounds) codec.Need {
	n := codec.Need{}
	if isDIB(src) {
		n.Bytes = 2 * int64(len(src))
		src = append([]byte("BM\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"), src[:min(len(src), 2048)]...)
	}
	b, fail := read(src)
	if fail != nil || bounds.CheckSize(b.width, b.height) != nil {
		return n
	}
	n.Width, n.Height = b.width, b.height
	if b.compression == rle4 || b.compression == rle8 {
		n.Bytes += 2 * int64(b.width) * int64(b.height) // indices, until they are collected
	}
	return n
}
