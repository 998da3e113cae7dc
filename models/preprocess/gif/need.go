package gif

import "github.com/batchscore/batchscore/models/preprocess/codec"

// need is codec.Decoder's Need.
func need(src []byte, bounds codec.Bounds) codec.Need {
	f, fail := read(src)
	if fail != nil || bounds.CheckSize(f.width, f.height) != nil || !f.enough() {
		return codec.Need{}
	}
	return codec.Need{Width: f.width, Height: f.height, Bytes: int64(f.w)} // indices of a row
}
