package tiff

import "github.com/batchscore/batchscore/models/preprocess/codec"

// need is codec.Decoder's Need.
func need(src []byte, bounds codec.Bounds) codec.Need {
	t, fail := walk(src, bounds)
	if fail != nil {
		return codec.Need{}
	}
	n := codec.Need{Width: t.width, Height: t.height}
	if t.reversed {
		n.Bytes += 2 * int64(len(src))
	}
	if t.compression != uncompressed {
		n.Bytes += 2 * int64(t.rows(0)) * int64(t.rowBytes()) // until they are collected
	}
	if t.compression == group3 || t.compression == group4 {
		n.Bytes += 80 * int64(t.blockW) // ends of runs
	}
	return n
}
