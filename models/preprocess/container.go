package preprocess

import (
	"encoding/binary"
	"fmt"
)

// decodeOther decodes whatever is no JPEG.
func (d *Decoder) decodeOther(dst, src []byte, f format) *Failure {
	switch f {
	case formatPNG:
		return d.decodePNG(dst, src)
	case formatGIF:
		return d.decodeGIF(dst, src)
	case formatBMP:
		return d.decodeBMP(dst, src)
	case formatWebP:
		return d.decodeWebP(dst, src)
	case formatTIFF:
		return d.decodeTIFF(dst, src)
	}
	panic(fmt.Sprintf("%s has no decoder", f)) // a row of codecs says that it has one
}

// walkPNG follows the chunks. Whatever is missing after the pixels is not missed:
// those are checked when they are decoded.
func walkPNG(src []byte, opt Options) (orientation, *Failure) {
	var m metadata
	o, pixels := orientation(1), false
	for at := len(pngSignature); ; {
		c, next, ok := nextChunk(src, at)
		at = next
		switch {
		case (!ok || !c.known()) && pixels:
			return m.orientation(), nil
		case !ok:
			return o, &Failure{StatusTruncated, "ends before the pixels"}
		case !c.known():
			return o, &Failure{StatusCorrupt, fmt.Sprintf("chunk %q of %d bytes", c.kind, c.size)}
		case c.cut() && c.kind != "IDAT" && c.kind != "IEND":
			return o, &Failure{StatusTruncated, "ends within a chunk"}
		}
		switch body := c.body; c.kind {
		case "IHDR":
			if len(body) < 8 {
				return o, &Failure{StatusCorrupt, "short IHDR chunk"}
			}
			w, h := binary.BigEndian.Uint32(body), binary.BigEndian.Uint32(body[4:])
			if w > 1<<31-1 || h > 1<<31-1 {
				return o, &Failure{StatusCorrupt, fmt.Sprintf("size of %dx%d", w, h)}
			}
			if f := opt.checkPixels(int(w), int(h)); f != nil {
				return o, f
			}
		case "IDAT":
			pixels = true
		case "fcTL":
			if pixels { // further frames follow
				return m.orientation(), nil
			}
		case "IEND":
			return m.orientation(), nil
		}
		m.addPNG(c.kind, c.body)
	}
}

// walkWebP follows the chunks to the last; those behind the picture may be broken.
func walkWebP(src []byte) (orientation, *Failure) {
	o, pixels := orientation(1), false
	var m metadata
	var flags byte
	const header = 12
	end := 8 + int64(binary.LittleEndian.Uint32(src[4:]))
	if end > int64(len(src)) {
		return o, &Failure{StatusTruncated, "shorter than its RIFF header says"}
	}
	for at := int64(header); at+8 <= end; {
		n, kind := int64(binary.LittleEndian.Uint32(src[at+4:])), string(src[at:at+4])
		at += 8
		if at+n > end && pixels {
			return m.orientation(), nil
		}
		if at+n > end {
			return o, &Failure{StatusCorrupt, "a chunk is longer than the file"}
		}
		switch kind {
		case "VP8 ", "VP8L", "ANMF":
			pixels = true
		case "VP8X":
			if at == header+8 && n > 0 {
				flags = src[at]
			}
		}
		m.addWebP(kind, src[at:][:n], flags)
		at += n + n&1
	}
	return m.orientation(), nil
}
