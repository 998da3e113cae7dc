package webp

import (
	"bytes"

	"golang.org/x/image/webp"

	"github.com/batchscore/batchscore/models/preprocess/codec"
)

// Need implements codec.Decoder.
func (d *decoder) Need(src []byte, bounds codec.Bounds) codec.Need {
	n := codec.Need{Bytes: 8 * int64(len(src))} // copies of the chunks, and Huffman tables
	f, fail := read(src)
	if fail != nil {
		return n
	}
	cfg, err := webp.DecodeConfig(bytes.NewReader(f.still))
	if err != nil {
		return n
	}
	if f.width == 0 {
		f.width, f.height = cfg.Width, cfg.Height
	}
	if bounds.CheckSize(f.width, f.height) != nil || f.x+cfg.Width > f.width || f.y+cfg.Height > f.height {
		return n
	}
	n.Width, n.Height = f.width, f.height
	n.Bytes += 18 * int64(cfg.Width) * int64(cfg.Height) // pixels before and after a transform, until they are collected
	return n
}
