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
			n.Bytes += lossless(w, h, c.body[min(vp8lHead, len(c.body)):])
		case "ALPH":
			n.Bytes += w * h
			if len(c.body) > 0 && c.body[0]&3 == 1 {
				n.Bytes += lossless(w, h, c.body[1:])
			}
		}
	}
	return n
}

// vp8lHead is how long the sides of VP8L are.
const vp8lHead = 5

// lossless returns what VP8L data take for w x h pixels. If they are damaged before their
// pixels, it is the most that any take: half of the pixels before and all after they are
// looked up in a palette, the tiles of two transforms and of the Huffman codes, and these
// codes: x/image/vp8l takes 2,600 groups of five, which take up to 80 kB each, and 1,200
// bytes for each byte of a short group.
func lossless(w, h int64, data []byte) int64 {
	if bytes, ok := allocated(data, int(w), int(h)); ok {
		return bytes
	}
	const group = 80 << 10
	tiles := ((w + 3) / 4) * ((h + 3) / 4)
	return 6*w*h + 12*tiles + min(min(mostGroups, tiles)*group+5*group, 1200*int64(len(data)))
}
