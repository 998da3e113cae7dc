package jpeg

import (
	"bytes"
	"encoding/binary"

	"github.com/batchscore/batchscore/models/preprocess/codec"
	"github.com/batchscore/batchscore/models/preprocess/exif"
)

// A header is what a walk over the markers of a JPEG finds.
type header struct {
	width, height int
	frame         frame
	orientation   codec.Orientation
	jfif          bool
	adobe         int // the Adobe segment's code for how colours are coded; -1 without one
	scans         int
	alone         bool // the first scan has not all components
	exif          int  // segments; counted by walkHead alone
	ended         bool // has an end-of-image marker
	followed      bool // has a start of image after its scans
	// doubt says that only check can decide about the image: it has no end, or is
	// not what encoders write. What a decoder makes of it might depend on the tables
	// of the image before.
	doubt bool
}

// A frame is what a frame header says, apart from the size.
type frame struct {
	marker      byte
	progressive bool
	arithmetic  bool
	components  int
	comp        [4]struct{ id, h, v, quant byte }
	maxH, maxV  byte
}

// Markers; the byte after 0xff.
const (
	mTEM   = 0x01
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
	mDQT   = 0xdb
	mDRI   = 0xdd
	mDHP   = 0xde
	mEXP   = 0xdf
	mAPP0  = 0xe0
	mAPP1  = 0xe1
	mAPP14 = 0xee
	mJPG0  = 0xf0
	mJPG13 = 0xfd
)

func isSOF(marker byte) bool {
	return marker >= mSOF0 && marker <= mSOF15 && marker != mDHT && marker != mJPG && marker != mDAC
}

// walk follows the markers from the start to the end of the image, through the coded
// data, without decoding any. It finds the size, and refuses the image where it must,
// before memory is taken for it. If anything is wrong after the first coded data, it only
// says that there is doubt. What follows the end is ignored. What only one of the decoders
// supports is left to them: the package's documentation lists it.
func walk(src []byte, bounds codec.Bounds) (header, *codec.Failure) {
	return walkHead(src, bounds, false)
}

// walkHead is walk. With headers it stops before the first coded data, and leaves the
// orientation out.
func walkHead(src []byte, bounds codec.Bounds, headers bool) (header, *codec.Failure) {
	h := header{orientation: 1, adobe: -1}
	m := metadata{room: len(src)}
	var defined tableSet
	// unclear returns f, or doubt if there are coded data before it.
	unclear := func(f *codec.Failure) (header, *codec.Failure) {
		if h.scans > 0 {
			h.doubt = true
			return h, nil
		}
		return h, f
	}
	for at := 2; ; {
		// Find the next marker. In coded data 0xff00 is data, and restart markers
		// are part of it. Elsewhere bytes between segments are ignored, as every
		// decoder does.
		i := bytes.IndexByte(src[at:], 0xff)
		if i < 0 {
			return unclear(codec.Fail(codec.StatusTruncated, "no end of image"))
		}
		at += i
		for at < len(src) && src[at] == 0xff {
			at++
		}
		if at >= len(src) {
			return unclear(codec.Fail(codec.StatusTruncated, "no end of image"))
		}
		marker := src[at]
		at++
		switch {
		case marker == 0 || marker == mTEM || marker >= mRST0 && marker <= mRST7:
			continue
		case marker == mSOI:
			h.followed = true
			return unclear(codec.Fail(codec.StatusCorrupt, "a second start of image"))
		case marker == mEOI:
			if h.scans == 0 {
				return h, codec.Fail(codec.StatusCorrupt, "no coded data")
			}
			h.ended = true
			h.doubt = h.doubt || defined.coded != 1<<h.frame.components-1
			return h, nil
		}
		if at+2 > len(src) {
			return unclear(codec.Fail(codec.StatusTruncated, "ends within a segment's header"))
		}
		n := int(binary.BigEndian.Uint16(src[at:]))
		if n < 2 {
			return unclear(codec.Fail(codec.StatusCorrupt, "segment 0x%02x of %d bytes", marker, n))
		}
		if at+n > len(src) {
			return unclear(codec.Fail(codec.StatusTruncated, "ends within a segment"))
		}
		body := src[at+2 : at+n]
		at += n
		switch {
		case isSOF(marker):
			if h.width != 0 {
				return unclear(codec.Fail(codec.StatusCorrupt, "a second frame header"))
			}
			if f := h.readFrame(marker, body, bounds); f != nil {
				return h, f
			}
			// A Huffman code has at least one bit, and every block one code.
			blocks := ((h.width + 7) / 8) * ((h.height + 7) / 8)
			if !h.frame.arithmetic && blocks/8 > len(src) {
				return h, codec.Fail(codec.StatusCorrupt, "%d bytes cannot hold %dx%d pixels", len(src), h.width, h.height)
			}
		case marker == mDQT:
			h.doubt = !defined.addQuant(body) || h.doubt
		case marker == mDHT:
			h.doubt = !defined.addHuffman(body) || h.doubt
		case marker == mSOS:
			if h.width == 0 {
				return h, codec.Fail(codec.StatusCorrupt, "coded data before the frame header")
			}
			h.scans++
			if h.scans == 1 {
				h.alone = len(body) > 0 && int(body[0]) < h.frame.components
				if headers {
					return h, nil
				}
				h.orientation = m.Orientation()
			}
			if h.scans > bounds.MaxScans {
				return h, codec.Fail(codec.StatusTooLarge, "more than %d scans", bounds.MaxScans)
			}
			if int64(h.scans)*int64(h.width)*int64(h.height) > codec.MaxPasses*bounds.MaxPixels {
				return h, codec.Fail(codec.StatusTooLarge, "%d scans over %dx%d pixels", h.scans, h.width, h.height)
			}
			h.doubt = !defined.suffice(&h.frame, body) || h.doubt
		case marker == mAPP0 && h.scans == 0 && len(body) >= 14 && bytes.HasPrefix(body, []byte("JFIF\x00")):
			h.jfif = true
		case marker == mAPP1 && headers:
			if bytes.HasPrefix(body, exif.Header) {
				h.exif++
			}
		case marker == mAPP1 && h.scans == 0:
			m.add(body)
		case marker == mAPP14 && h.scans == 0 && len(body) >= 12 && bytes.HasPrefix(body, []byte("Adobe")):
			h.adobe = int(body[11])
		}
	}
}

// readFrame reads a frame header.
func (h *header) readFrame(marker byte, body []byte, bounds codec.Bounds) *codec.Failure {
	const baseline, extended, progressive, arithmetic, arithmeticProgressive = 0xc0, 0xc1, 0xc2, 0xc9, 0xca
	f := &h.frame
	switch marker {
	case baseline, extended:
	case progressive:
		f.progressive = true
	case arithmetic:
		f.arithmetic = true
	case arithmeticProgressive:
		f.arithmetic, f.progressive = true, true
	default:
		return codec.Fail(codec.StatusUnsupported, "JPEG process 0x%02x", marker)
	}
	f.marker = marker
	if len(body) < 6 {
		return codec.Fail(codec.StatusCorrupt, "short frame header")
	}
	if body[0] != 8 {
		return codec.Fail(codec.StatusUnsupported, "JPEG of %d bits a sample", body[0])
	}
	height, width := int(binary.BigEndian.Uint16(body[1:])), int(binary.BigEndian.Uint16(body[3:]))
	if height == 0 {
		return codec.Fail(codec.StatusUnsupported, "JPEG whose height follows the data")
	}
	if width == 0 {
		return codec.Fail(codec.StatusCorrupt, "zero width")
	}
	if f := bounds.CheckSize(width, height); f != nil {
		return f
	}
	f.components = int(body[5])
	switch f.components {
	case 1, 3, 4:
	default:
		return codec.Fail(codec.StatusUnsupported, "JPEG of %d components", f.components)
	}
	if len(body) != 6+3*f.components {
		return codec.Fail(codec.StatusCorrupt, "frame header of %d bytes for %d components", len(body), f.components)
	}
	for i := range f.components {
		b := body[6+3*i:]
		c := &f.comp[i]
		c.id, c.h, c.v, c.quant = b[0], b[1]>>4, b[1]&15, b[2]
		if c.h < 1 || c.h > 4 || c.v < 1 || c.v > 4 {
			return codec.Fail(codec.StatusCorrupt, "component %d of %dx%d blocks", i+1, c.h, c.v)
		}
		f.maxH, f.maxV = max(f.maxH, c.h), max(f.maxV, c.v)
	}
	h.width, h.height = width, height
	return nil
}

// A colour is what the components of a JPEG mean.
type colour int

const (
	colourGrey colour = iota
	colourYCbCr
	colourRGB
	colourCMYK
	colourYCCK
)

// colour returns what the components mean, as libjpeg decides it.
func (h *header) colour() colour {
	c := &h.frame.comp
	switch {
	case h.frame.components == 1:
		return colourGrey
	case h.frame.components == 4 && h.adobe <= 0:
		return colourCMYK
	case h.frame.components == 4:
		return colourYCCK
	case h.jfif, h.adobe > 0:
		return colourYCbCr
	case h.adobe == 0, c[0].id == 'R' && c[1].id == 'G' && c[2].id == 'B':
		return colourRGB
	}
	return colourYCbCr
}

// A tableSet has a bit for each table that is defined so far, and for each component that
// has coded data. A decoder that is used again still has the tables of the image before,
// and uses them where this image lacks its own.
type tableSet struct{ quant, dc, ac, coded byte }

// addQuant reports whether b is a whole DQT segment.
func (t *tableSet) addQuant(b []byte) bool {
	for len(b) > 0 {
		n := 1 + 64<<(b[0]>>4&1)
		if b[0]>>4 > 1 || b[0]&15 > 3 || len(b) < n {
			return false
		}
		t.quant |= 1 << (b[0] & 15)
		b = b[n:]
	}
	return true
}

// addHuffman reports whether b is a whole DHT segment.
func (t *tableSet) addHuffman(b []byte) bool {
	for len(b) > 0 {
		n := huffmanLength(b)
		if n == 0 {
			return false
		}
		if b[0]>>4 == 0 {
			t.dc |= 1 << (b[0] & 15)
		} else {
			t.ac |= 1 << (b[0] & 15)
		}
		b = b[n:]
	}
	return true
}

// suffice reports whether the scan with this header has all tables that it needs, and is
// a scan that an encoder would write.
func (t *tableSet) suffice(f *frame, b []byte) bool {
	if len(b) < 6 || len(b) != 4+2*int(b[0]) || int(b[0]) > f.components {
		return false
	}
	n := int(b[0])
	from, high := b[1+2*n], b[3+2*n]>>4
	next := 0
	for i := range n {
		for next < f.components && f.comp[next].id != b[1+2*i] {
			next++
		}
		if next == f.components {
			return false
		}
		c, dc, ac := &f.comp[next], b[2+2*i]>>4, b[2+2*i]&15
		switch {
		case t.quant>>c.quant&1 == 0:
			return false
		case f.arithmetic:
		case !f.progressive && t.coded>>next&1 != 0:
			return false
		case (!f.progressive || from == 0 && high == 0) && t.dc>>dc&1 == 0,
			(!f.progressive || from > 0) && t.ac>>ac&1 == 0:
			return false
		}
		if from == 0 || !f.progressive {
			t.coded |= 1 << next
		}
		next++
	}
	return true
}
