package tiff

import "github.com/batchscore/batchscore/models/preprocess/codec"

// need is codec.Decoder's Need: a row, and what the compression refers to.
func need(src []byte, bounds codec.Bounds) codec.Need {
	t, fail := walkHead(src, bounds)
	if fail != nil {
		return codec.Need{}
	}
	n := codec.Need{Width: t.width, Height: t.height, Bytes: int64(t.partBytes(min(t.blockW, t.width)))}
	switch t.compression {
	case lzw:
		n.Bytes += int64(min(t.rows(0)*t.rowBytes()+2*lzwStep, lzwMost))
	case group3, group4:
		// Where the runs of two rows end: each takes one bit at least. The lists grow.
		n.Bytes += 2 * 3 * 4 * (min(2*int64(t.blockW), 8*int64(len(src))) + 8)
	}
	return n
}
