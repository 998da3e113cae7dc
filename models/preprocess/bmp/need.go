package bmp

import "github.com/batchscore/batchscore/models/preprocess/codec"

// Need implements codec.Decoder: pixels are unpacked straight to the canvas, if they are not in
// a file of another format.
func (d *decoder) Need(src []byte, bounds codec.Bounds) codec.Need {
	b, stored, fail := find(src, bounds)
	if fail != nil {
		return codec.Need{}
	}
	if b.inner() == "" {
		return codec.Need{Width: b.width, Height: b.height}
	}
	if in := d.config.InnerDecoder(b.inner()); in != nil {
		return in.Need(stored, bounds)
	}
	return codec.Need{}
}
