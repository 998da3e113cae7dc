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
