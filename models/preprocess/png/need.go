package png

import (
	"bytes"

	"github.com/batchscore/batchscore/models/preprocess/codec"
)

// need is codec.Decoder's Need: rows before and after their filter, and the text of metadata.
// Checksums are not verified: a wrong one makes the decode fail earlier.
func need(src []byte, bounds codec.Bounds) codec.Need {
	var p file
	pixels, profile, packed := false, 0, int64(0)
	for at := len(signature); ; {
		c, next, ok := nextChunk(src, at)
		if !ok || !c.known() {
			break
		}
		switch at = next; c.kind {
		case "IHDR":
			c.sum = nil
			if !pixels && (p.header(c) != nil || bounds.CheckSize(p.width, p.height) != nil) {
				return codec.Need{}
			}
		case "IDAT":
			pixels = true
		case "tEXt", "zTXt", "iTXt":
			key, _, _ := bytes.Cut(c.body[:min(len(c.body), 80)], []byte{0})
			if !isMetadata(key) {
				break
			}
			if c.kind != "tEXt" {
				packed += min(1100*int64(len(c.body)), mostText)
			}
			if string(key) == keyProfile {
				profile = max(profile, len(c.body))
			}
		}
	}
	n := codec.Need{Width: p.width, Height: p.height, Bytes: int64(profile / 2)}
	if packed > 0 {
		n.Bytes += min(packed, mostOfAll+mostText) + mostText + mostText/2 // a profile in hexadecimal digits
	}
	n.Bytes += 2*int64(p.rowBytes(p.width)) + 4*int64(p.width)
	return n
}
