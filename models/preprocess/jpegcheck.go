package preprocess

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// A plainJPEG is a JPEG rewritten as checkJPEG understood it: its frame, its
// tables where they are used, and its coded data, with nothing between them and
// nothing behind. It has no warning to give, unless one is about the pixels.
type plainJPEG struct {
	data    []byte
	partial bool // progressive, and the last bits of some coefficients are not there
	uneven  bool // has a scan that image/jpeg reads wrong
}

// checkJPEG follows the coded data of a JPEG to the end of the picture, code by
// code, without making pixels of them, and decides whether they are whole. It is
// for what a decoder doubts, and for a decoder that doubts too little: libjpeg
// goes on after most damage, with pixels that it made up. What it returns depends
// on src alone. h is what walkJPEG found; declare is how the rewritten JPEG says
// that its colours are coded.
//
// The picture ends where all its coefficients have been read to their last bit.
// Without an end-of-image marker behind them, bytes that follow might be pixels
// that are coded badly, or the end of a file that was cut: see whole.
func checkJPEG(src []byte, h jpegHeader, opt Options, declare jpegColour) (plainJPEG, *Failure) {
	c := jpegChecker{src: src, h: &h, at: 2}
	for i := range h.frame.components {
		c.comps[i].init(&h, i)
	}
	c.start(declare)
	for c.scans < opt.MaxScans {
		marker := c.marker()
		if marker == 0 || marker == mEOI || marker == mSOI && c.scans > 0 {
			return c.plain, c.finish(marker)
		}
		if fail := c.segment(marker); fail != nil {
			return c.plain, fail
		}
		if c.complete() {
			c.write(mEOI, nil)
			return c.plain, c.whole()
		}
	}
	return c.plain, &Failure{StatusTooLarge, fmt.Sprintf("more than %d scans", opt.MaxScans)}
}

type jpegChecker struct {
	src   []byte
	at    int // in src
	h     *jpegHeader
	comps [4]jpegComponent

	quant   [4][]byte    // as in their segment: a byte of precision and number, and values
	huffman [2][4][]byte // of DC and AC: 16 counts and symbols
	restart int
	scans   int
	surplus bool // bytes between the segments were passed over

	plain    plainJPEG
	coded    []byte // the last coded data, without stuffing
	used     int    // how many of them the picture took
	spare    int    // bits of the last that it did not take
	interval int    // restart interval last written to plain
}

// A jpegComponent is what was read of one component.
type jpegComponent struct {
	wide, high int // in blocks
	stride     int // blocks from one row to the next, those of whole MCUs
	nonzero    []uint64
	bits       [64]int8 // the lowest bit read of each coefficient, -1 if none
	latched    bool     // the quantisation table is written
}

func (c *jpegComponent) init(h *jpegHeader, i int) {
	f := &h.frame
	c.wide = ceilDiv(h.width*int(f.comp[i].h), 8*int(f.maxH))
	c.high = ceilDiv(h.height*int(f.comp[i].v), 8*int(f.maxV))
	c.stride = ceilDiv(h.width, 8*int(f.maxH)) * int(f.comp[i].h)
	for k := range c.bits {
		c.bits[k] = -1
	}
	if f.progressive && !f.arithmetic {
		rows := ceilDiv(h.height, 8*int(f.maxV)) * int(f.comp[i].v)
		c.nonzero = make([]uint64, c.stride*rows)
	}
}

func ceilDiv(a, b int) int { return (a + b - 1) / b }

// marker goes behind the next marker and returns its code, 0 at the end.
func (c *jpegChecker) marker() byte {
	for {
		n := bytes.IndexByte(c.src[c.at:], 0xff)
		if n < 0 {
			c.at = len(c.src)
			return 0
		}
		c.surplus = c.surplus || n > 0
		c.at += n
		for c.at < len(c.src) && c.src[c.at] == 0xff {
			c.at++
		}
		if c.at == len(c.src) {
			return 0
		}
		c.at++
		if m := c.src[c.at-1]; m != 0 {
			return m
		}
		c.surplus = true
	}
}

// damaged is for coded data that are not a picture. Without an end the file was
// cut, whatever was appended to it.
func (c *jpegChecker) damaged(format string, args ...any) *Failure {
	why := fmt.Sprintf(format, args...)
	if c.h.ended || !c.h.followed && bytes.HasSuffix(c.src, []byte{0xff, mEOI}) {
		return &Failure{StatusCorrupt, why}
	}
	return &Failure{StatusTruncated, why + ", and the image has no end"}
}

func corruptJPEG(format string, args ...any) *Failure {
	return &Failure{StatusCorrupt, fmt.Sprintf(format, args...)}
}

// segment reads the segment of marker; for a scan, its coded data too.
func (c *jpegChecker) segment(marker byte) *Failure {
	switch {
	case marker >= mRST0 && marker <= mRST7 || marker == mTEM:
		return nil
	case marker == mSOI:
		return corruptJPEG("a second start of image")
	case marker < mSOF0:
		return c.damaged("a marker 0x%02x that does not exist", marker)
	case marker == mJPG || marker >= mJPG0 && marker <= mJPG13 || marker == mDHP || marker == mEXP:
		return &Failure{StatusUnsupported, fmt.Sprintf("JPEG with a segment 0x%02x, of an extension", marker)}
	}
	if c.at+2 > len(c.src) {
		return &Failure{StatusTruncated, "ends within a segment's header"}
	}
	n := int(binary.BigEndian.Uint16(c.src[c.at:]))
	if n < 2 {
		return c.damaged("segment 0x%02x of %d bytes", marker, n)
	}
	if c.at+n > len(c.src) {
		return c.damaged("ends within segment 0x%02x", marker)
	}
	body := c.src[c.at+2 : c.at+n]
	c.at += n
	switch marker {
	case mDQT:
		return c.quantTables(body)
	case mDHT:
		return c.huffmanTables(body)
	case mDAC:
		c.write(mDAC, body)
	case mDRI:
		if len(body) != 2 {
			return corruptJPEG("a restart interval of %d bytes", len(body))
		}
		c.restart = int(binary.BigEndian.Uint16(body))
	case mSOS:
		c.scans++
		return c.scan(body)
	default:
		if isSOF(marker) && c.scans > 0 {
			return c.damaged("a second frame header")
		}
	}
	return nil
}

func (c *jpegChecker) quantTables(b []byte) *Failure {
	for len(b) > 0 {
		n := 1 + 64<<(b[0]>>4&1)
		if b[0]>>4 > 1 || b[0]&15 > 3 || len(b) < n {
			return corruptJPEG("a damaged quantisation table")
		}
		c.quant[b[0]&3] = b[:n]
		b = b[n:]
	}
	return nil
}

func (c *jpegChecker) huffmanTables(b []byte) *Failure {
	for len(b) > 0 {
		n := huffmanLength(b)
		if n == 0 {
			return corruptJPEG("a damaged Huffman table")
		}
		c.huffman[b[0]>>4][b[0]&15] = b[1:n]
		b = b[n:]
	}
	return nil
}

// huffmanLength returns how long the first table of a DHT segment is, 0 if it is
// none.
func huffmanLength(b []byte) int {
	if len(b) < 17 || b[0]>>4 > 1 || b[0]&15 > 3 {
		return 0
	}
	n := 0
	for _, count := range b[1:17] {
		n += int(count)
	}
	if n > 256 || 17+n > len(b) {
		return 0
	}
	return 17 + n
}

// complete reports whether every coefficient was read to its last bit.
func (c *jpegChecker) complete() bool {
	for i := range c.h.frame.components {
		for _, b := range c.comps[i].bits {
			if b != 0 {
				return false
			}
		}
	}
	return true
}

// finish is for an image that ends, by marker or with the file if marker is 0,
// before it is complete. To its coarse part alone every decoder shows a
// progressive JPEG.
func (c *jpegChecker) finish(marker byte) *Failure {
	if marker != mEOI {
		return c.damaged("scans are missing")
	}
	for i := range c.h.frame.components {
		if c.comps[i].bits[0] < 0 {
			return c.damaged("no coded data of component %d", i+1)
		}
	}
	if c.surplus {
		return c.damaged("scans are missing, and bytes between the scans are none")
	}
	c.plain.partial = true
	c.write(mEOI, nil)
	return nil
}

// whole decides about a complete picture whose end is not marked. If its coded
// data go right to a marker or to the end of the file, they are its own. But if
// bytes follow, the file may have been cut, and the picture have been completed
// with what was appended: so the coded data must end as encoders end them, in
// bits of one, and not in the midst of what follows.
func (c *jpegChecker) whole() *Failure {
	rest := c.coded[c.used:]
	switch {
	case c.h.ended || c.peek() == mEOI:
		return nil
	case c.h.frame.arithmetic:
		return c.damaged("coded data that may go on")
	case len(rest) > 0 && (!c.padded() || blends(c.coded[:c.used], rest)):
		return &Failure{StatusTruncated, "no end of image, and other bytes behind the coded data"}
	}
	return nil
}
