package bmp

import "github.com/batchscore/batchscore/models/preprocess/codec"

// runs expands RLE4 and RLE8 to one index a pixel, in the order in which rows are stored. at
// is where src begins in the file, in which lengths are even. Pixels that a jump leaves out
// have index 0. A bitmap that ends before its last pixel is refused, since nothing says what
// the rest looks like.
func (b *header) runs(src []byte, at int) ([]uint8, *codec.Failure) {
	need := b.width * b.height
	out := make([]uint8, 0, need)
	skip := func(n int) { out = out[:min(need, len(out)+n)] } // which make cleared
	nibbles := b.compression == rle4
	x, i := 0, 0
	for len(out) < need && i+2 <= len(src) {
		count, code := int(src[i]), src[i+1]
		i += 2
		switch {
		case count > 0: // a run, cut at the end of its row
			n := max(0, min(count, b.width-x))
			for k := range min(n, need-len(out)) {
				out = append(out, index(code, k, nibbles))
			}
			x += n
		case code == 0: // the end of a row
			skip((b.width - len(out)%b.width) % b.width)
			x = 0
		case code == 1: // the end of the bitmap
			i = len(src)
		case code == 2: // a jump to the right and up
			if i+2 > len(src) {
				break
			}
			skip(int(src[i]) + int(src[i+1])*b.width)
			i += 2
			x = len(out) % b.width
		default: // code indices follow
			n := min(int(code), need-len(out))
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
					out = append(out, index(src[i+k/2], k, true))
				} else {
					out = append(out, src[i+k])
				}
			}
			x += int(code)
			i += stored
			i += (at + i) % 2
		}
	}
	if len(out) < need {
		return nil, codec.Fail(codec.StatusTruncated, "fewer pixels than the header says")
	}
	return out, nil
}

// index returns the index of pixel k of a run of code.
func index(code uint8, k int, nibbles bool) uint8 {
	switch {
	case !nibbles:
		return code
	case k%2 == 0:
		return code >> 4
	}
	return code & 15
}
