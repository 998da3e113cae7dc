package webp

import "github.com/batchscore/batchscore/models/preprocess/codec"

// Need implements codec.Decoder. What x/image/webp allocates counts in full, since nothing
// says when it is collected.
func (d *decoder) Need(src []byte, bounds codec.Bounds) codec.Need {
	f, cfg, fail := find(src, bounds)
	if fail != nil {
		return codec.Need{}
	}
	n := codec.Need{Width: f.width, Height: f.height}
	w, h := int64(cfg.Width), int64(cfg.Height)
	for _, c := range f.still {
		switch c.kind {
		case "VP8 ":
			across, down := (w+15)/16, (h+15)/16
			n.Bytes += 384*across*down + int64(len(c.body)) // samples of 16x16 pixels, and a copy
			n.Bytes += 16*across*down + 64*across           // filters
		case "VP8L":
			n.Bytes += lossless(w, h, len(c.body))
		case "ALPH":
			n.Bytes += lossless(w, h, len(c.body)) + w*h
		}
	}
	return n
}

// lossless returns the most that VP8L of n bytes takes for w x h pixels: half of them before
// and all after they are looked up in a palette, the tiles of two transforms and of the
// Huffman codes, and these codes. How many codes there are shows only in the coded data:
// x/image/webp takes 2,600 groups of five, which take up to 80 kB each, and 1,200 bytes for
// each byte of a short group.
func lossless(w, h int64, n int) int64 {
	const groups, group = 2600, 80 << 10
	tiles := ((w + 3) / 4) * ((h + 3) / 4)
	return 6*w*h + 12*tiles + min(min(groups, tiles)*group+5*group, 1200*int64(n))
}
