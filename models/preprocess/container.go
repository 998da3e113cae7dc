package preprocess

import (
	"encoding/binary"
	"fmt"
)

// walkContainer checks what can be told of a file other than a JPEG without
// decoding it, and finds its orientation.
func walkContainer(f format, src []byte, opt Options) (orientation, *Failure) {
	switch f {
	case formatPNG:
		return walkPNG(src, opt)
	case formatWebP:
		return walkWebP(src)
	case formatTIFF:
		return tiffOrientation(src), nil
	}
	return 1, nil
}

func walkPNG(src []byte, opt Options) (orientation, *Failure) {
	o := orientation(1)
	for at := len(pngSignature); ; {
		if at+12 > len(src) {
			return o, &Failure{StatusTruncated, "no IEND chunk"}
		}
		n, kind := binary.BigEndian.Uint32(src[at:]), string(src[at+4:at+8])
		if n > 1<<31-1 {
			return o, &Failure{StatusCorrupt, fmt.Sprintf("chunk of %d bytes", n)}
		}
		if at+12+int(n) > len(src) {
			return o, &Failure{StatusTruncated, "ends within a chunk"}
		}
		body := src[at+8:][:n]
		at += 12 + int(n)
		switch kind {
		case "IHDR":
			if n < 8 {
				return o, &Failure{StatusCorrupt, "short IHDR chunk"}
			}
			w, h := binary.BigEndian.Uint32(body), binary.BigEndian.Uint32(body[4:])
			if w > 1<<31-1 || h > 1<<31-1 {
				return o, &Failure{StatusCorrupt, fmt.Sprintf("size of %dx%d", w, h)}
			}
			if f := opt.checkPixels(int(w), int(h)); f != nil {
				return o, f
			}
		case "eXIf":
			o = exifOrientation(body)
		case "IEND":
			return o, nil
		}
	}
}

func walkWebP(src []byte) (orientation, *Failure) {
	o := orientation(1)
	const header = 12
	end := 8 + int64(binary.LittleEndian.Uint32(src[4:]))
	if end > int64(len(src)) {
		return o, &Failure{StatusTruncated, "shorter than its RIFF header says"}
	}
	for at := int64(header); at+8 <= end; {
		n, kind := int64(binary.LittleEndian.Uint32(src[at+4:])), string(src[at:at+4])
		at += 8
		if at+n > end {
			return o, &Failure{StatusCorrupt, "a chunk is longer than the file"}
		}
		switch kind {
		case "ANIM":
			return o, &Failure{StatusUnsupported, "animated WebP"}
		case "EXIF":
			o = exifOrientation(src[at:][:n])
		}
		at += n + n&1
	}
	return o, nil
}

// gifPalette returns the colour table of the first frame, 3 bytes a colour, or
// nil. The decoder blackens the transparent colour; its pixels keep their own
// colour here, as in every format whose alpha is dropped.
func gifPalette(src []byte) []byte {
	const header = 13
	if len(src) < header {
		return nil
	}
	table := func(at int, flags byte) []byte {
		n := 3 << (flags&7 + 1)
		if flags&0x80 == 0 || at+n > len(src) {
			return nil
		}
		return src[at:][:n]
	}
	global := table(header, src[10])
	for at := header + len(global); at < len(src); {
		switch src[at] {
		case 0x21: // an extension: a label and sub-blocks
			for at += 2; at < len(src) && src[at] != 0; {
				at += 1 + int(src[at])
			}
			at++
		case 0x2c:
			if at+10 > len(src) {
				return nil
			}
			if local := table(at+10, src[at+9]); local != nil {
				return local
			}
			return global
		default:
			return nil
		}
	}
	return nil
}
