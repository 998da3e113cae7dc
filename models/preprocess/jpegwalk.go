package preprocess

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// A jpegHeader is what a walk over the markers of a JPEG tells.
type jpegHeader struct {
	width, height int
	components    int
	orientation   orientation
	transform     int  // where the Adobe segment says how colours are coded; 0 without one
	subsampled    bool // the second component is coarser than the first
	arithmetic    bool
	scans         int
}

// Markers; the byte after 0xff.
const (
	mSOF0  = 0xc0
	mDHT   = 0xc4
	mJPG   = 0xc8
	mDAC   = 0xcc
	mSOF15 = 0xcf
	mRST0  = 0xd0
	mRST7  = 0xd7
	mSOI   = 0xd8
	mEOI   = 0xd9
	mSOS   = 0xda
	mAPP1  = 0xe1
	mAPP14 = 0xee
	mTEM   = 0x01
)

// walkJPEG follows the markers from the start to the end of the image, through
// the coded data, without decoding any: both back ends then agree on what is
// truncated, too large or not supported. What follows the end is not looked at.
func walkJPEG(src []byte, opt Options) (jpegHeader, *Failure) {
	h := jpegHeader{orientation: 1}
	sawEXIF := false
	for at := 2; ; {
		// To the next marker: in coded data 0xff00 is data, and restart markers
		// are part of it; elsewhere bytes between segments are ignored, as every
		// decoder does.
		i := bytes.IndexByte(src[at:], 0xff)
		if i < 0 {
			return h, &Failure{StatusTruncated, "no end of image"}
		}
		at += i
		for at < len(src) && src[at] == 0xff {
			at++
		}
		if at >= len(src) {
			return h, &Failure{StatusTruncated, "no end of image"}
		}
		marker := src[at]
		at++
		switch {
		case marker == 0 || marker == mTEM || marker >= mRST0 && marker <= mRST7:
			continue
		case marker == mSOI:
			return h, &Failure{StatusCorrupt, "a second start of image"}
		case marker == mEOI:
			if h.scans == 0 {
				return h, &Failure{StatusCorrupt, "no coded data"}
			}
			return h, nil
		}
		if at+2 > len(src) {
			return h, &Failure{StatusTruncated, "ends within a segment's header"}
		}
		n := int(binary.BigEndian.Uint16(src[at:]))
		if n < 2 {
			return h, &Failure{StatusCorrupt, fmt.Sprintf("segment 0x%02x of %d bytes", marker, n)}
		}
		if at+n > len(src) {
			return h, &Failure{StatusTruncated, "ends within a segment"}
		}
		body := src[at+2 : at+n]
		at += n
		switch {
		case marker >= mSOF0 && marker <= mSOF15 && marker != mDHT && marker != mJPG && marker != mDAC:
			if f := h.frame(marker, body, opt); f != nil {
				return h, f
			}
			// A Huffman code has at least one bit, and every block one code.
			blocks := ((h.width + 7) / 8) * ((h.height + 7) / 8)
			if !h.arithmetic && blocks/8 > len(src) {
				return h, &Failure{StatusCorrupt, fmt.Sprintf("%d bytes cannot hold %dx%d pixels", len(src), h.width, h.height)}
			}
		case marker == mSOS:
			if h.width == 0 {
				return h, &Failure{StatusCorrupt, "coded data before the frame header"}
			}
			h.scans++
			if h.scans > opt.MaxScans {
				return h, &Failure{StatusTooLarge, fmt.Sprintf("more than %d scans", opt.MaxScans)}
			}
			if int64(h.scans)*int64(h.width)*int64(h.height) > scanWork*opt.MaxPixels {
				return h, &Failure{StatusTooLarge, fmt.Sprintf("%d scans over %dx%d pixels", h.scans, h.width, h.height)}
			}
		case marker == mAPP1 && !sawEXIF && bytes.HasPrefix(body, []byte("Exif\x00\x00")):
			sawEXIF = true
			h.orientation = exifOrientation(body)
		case marker == mAPP14 && len(body) >= 12 && bytes.HasPrefix(body, []byte("Adobe")):
			h.transform = at - n + 2 + 11
		}
	}
}

// frame reads a frame header.
func (h *jpegHeader) frame(marker byte, body []byte, opt Options) *Failure {
	const baseline, extended, progressive, arithmetic, arithmeticProgressive = 0xc0, 0xc1, 0xc2, 0xc9, 0xca
	if h.width != 0 {
		return &Failure{StatusCorrupt, "a second frame header"}
	}
	switch marker {
	case baseline, extended, progressive:
	case arithmetic, arithmeticProgressive:
		h.arithmetic = true
	default:
		return &Failure{StatusUnsupported, fmt.Sprintf("JPEG process 0x%02x", marker)}
	}
	if len(body) < 6 {
		return &Failure{StatusCorrupt, "short frame header"}
	}
	if body[0] != 8 {
		return &Failure{StatusUnsupported, fmt.Sprintf("JPEG of %d bits a sample", body[0])}
	}
	height, width := int(binary.BigEndian.Uint16(body[1:])), int(binary.BigEndian.Uint16(body[3:]))
	if height == 0 {
		return &Failure{StatusUnsupported, "JPEG whose height follows the data"}
	}
	if width == 0 {
		return &Failure{StatusCorrupt, "zero width"}
	}
	if f := opt.checkPixels(width, height); f != nil {
		return f
	}
	h.components = int(body[5])
	switch h.components {
	case 1, 3, 4:
	default:
		return &Failure{StatusUnsupported, fmt.Sprintf("JPEG of %d components", h.components)}
	}
	if len(body) < 6+3*h.components {
		return &Failure{StatusCorrupt, "short frame header"}
	}
	h.subsampled = h.components > 1 && body[7] != body[10]
	h.width, h.height = width, height
	return nil
}
