package bmp

import "github.com/batchscore/batchscore/models/preprocess/codec"

// A runWriter writes pixels by their indices, in the order in which rows are stored.
type runWriter struct {
	b        *header
	px       codec.Pixels
	at, need int // pixels, written and of the picture
	x        int
	row      []uint8 // that of at
}

// put writes n pixels of an index.
func (w *runWriter) put(index uint8, n int) {
	c := w.b.palette[index]
	for ; n > 0; n-- {
		if w.x == w.b.width {
			w.x = 0
			w.row = w.px.Row(w.b.row(w.at / w.b.width))
		}
		codec.Set(w.row, w.x, c[0], c[1], c[2])
		w.x++
		w.at++
	}
}

// skip writes up to n pixels of index 0.
func (w *runWriter) skip(n int) { w.put(0, min(n, w.need-w.at)) }

// runs expands RLE4 and RLE8, whose data are src. Pixels that a jump leaves out have index 0.
// A bitmap that ends before its last pixel is refused, since nothing says what the rest
// looks like.
func (b *header) runs(src []byte, px codec.Pixels) *codec.Failure {
	w := &runWriter{b: b, px: px, need: b.width * b.height, x: b.width}
	nibbles := b.compression == rle4
	x, i := 0, 0
	for w.at < w.need && i+2 <= len(src) {
		count, code := int(src[i]), src[i+1]
		i += 2
		switch {
		case count > 0: // a run, cut at the end of its row
			n := max(0, min(count, b.width-x))
			if most := min(n, w.need-w.at); nibbles {
				for k := range most {
					w.put(index(code, k), 1)
				}
			} else {
				w.put(code, most)
			}
			x += n
		case code == 0: // the end of a row
			w.skip((b.width - w.at%b.width) % b.width)
			x = 0
		case code == 1: // the end of the bitmap
			i = len(src)
		case code == 2: // a jump to the right and up
			if i+2 > len(src) {
				break
			}
			w.skip(int(src[i]) + int(src[i+1])*b.width)
			i += 2
			x = w.at % b.width
		default: // code indices follow
			n := min(int(code), w.need-w.at)
			stored := n
			if nibbles {
				stored = (n + 1) / 2
			}
			if i+stored > len(src) {
				i = len(src)
				break
			}
			for k := range n {
				if nibbles {
					w.put(index(src[i+k/2], k), 1)
				} else {
					w.put(src[i+k], 1)
				}
			}
			x += int(code)
			i += stored
			i += (b.pixels + i) % 2 // lengths in the file are even
		}
	}
	if w.at < w.need {
		return codec.Fail(codec.StatusTruncated, "fewer pixels than the header says")
	}
	return nil
}

// index returns the index of pixel k of a run of RLE4.
func index(code uint8, k int) uint8 {
	if k%2 == 0 {
		return code >> 4
	}
	return code & 15
}
