package png

import (
	"encoding/binary"

	"github.com/batchscore/batchscore/models/preprocess/codec"
)

// need is codec.Decoder's Need. Checksums are not verified: a wrong one only makes the
// decode fail earlier.
func need(src []byte, bounds codec.Bounds) codec.Need {
	var p file
	n := codec.Need{Bytes: 8 << 20} // text that is inflated
	chunks, text := int64(0), int64(0)
	for at := int64(len(signature)); at+8 <= int64(len(src)); {
		size := int64(binary.BigEndian.Uint32(src[at:]))
		body := src[at+8 : min(at+8+size, int64(len(src)))]
		switch string(src[at+4 : at+8]) {
		case "IHDR":
			if p.header(chunk{body: body, size: uint32(size)}) != nil || bounds.CheckSize(p.width, p.height) != nil {
				return n
			}
		case "tEXt", "iTXt":
			text += int64(len(body))
		case "IDAT":
			chunks++
		}
		at += 12 + size
	}
	n.Bytes += 3*text + 256*chunks
	n.Width, n.Height = p.width, p.height
	n.Bytes += 2*int64(p.rowBytes(p.width)) + 4*int64(p.width)
	return n
}
