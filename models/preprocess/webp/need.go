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
			n.Bytes += lossless(w, h)
		case "ALPH":
			n.Bytes += lossless(w, h) + w*h
		}
	}
	return n
}

// lossless returns the most that VP8L takes for w x h pixels: before and after they are looked
// up in a palette, the tiles of two transforms and of the Huffman codes, and these.
func lossless(w, h int64) int64 {
	const groups, group = 2600, 80 << 10 // five Huffman codes with their tables
	tiles := ((w + 3) / 4) * ((h + 3) / 4)
	return 8*w*h + 12*tiles + min(groups, tiles)*group + 5*group
}
