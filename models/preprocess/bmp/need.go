package bmp

import "github.com/batchscore/batchscore/models/preprocess/codec"

// need is codec.Decoder's Need: pixels are unpacked straight to the canvas.
func need(src []byte, bounds codec.Bounds) codec.Need {
	b, _, fail := find(src, bounds)
	if fail != nil {
		return codec.Need{}
	}
	return codec.Need{Width: b.width, Height: b.height}
}
