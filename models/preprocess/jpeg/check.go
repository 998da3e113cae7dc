package jpeg

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/batchscore/batchscore/models/preprocess/codec"
)

// A rewritten is a JPEG rewritten as check understood it: its frame, its tables before the
// scans that use them, and its coded data, with nothing between and nothing after them. If
// a decoder still warns, it is about the pixels.
type rewritten struct {
	data    []byte
	partial bool // progressive, and without the last bits of some coefficients
	uneven  bool // has a scan that image/jpeg reads wrong
}

// check reads the coded data of a JPEG code by code, without making pixels, and decides
// whether they are a whole picture. libjpeg continues after most damage with invented
// pixels, and image/jpeg misses some damage. The result depends on src alone. h is what
// walk found. declare is how the rewritten JPEG says that its colours are coded.
//
// The picture ends when every coefficient has been read to its last bit. What follows is
// ignored, unless there is no end-of-image marker: see whole. What it returns is in m, and
// valid until the next call.
func check(m *memory, src []byte, h header, bounds codec.Bounds, declare colour) (rewritten, *codec.Failure) {
	c := checker{src: src, h: &h, at: 2, coded: m.coded, plain: rewritten{data: m.plain}, quick: m.quick}
	defer func() { m.keep(c.plain.data, c.coded) }()
	for i := range h.frame.components {
		c.comps[i].init(&h, i)
	}
	c.start(declare)
	for {
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
		if c.scans > bounds.MaxScans {
			return c.plain, codec.Fail(codec.StatusTooLarge, "more than %d scans", bounds.MaxScans)
		}
	}
}

// A memory is what check reuses from image to image.
type memory struct {
	plain, coded []byte
	quick        *wholeScan // nil to read with bitReader only
}

// keep keeps buffers for the next image, unless they are large.
func (m *memory) keep(plain, coded []byte) {
	const most = 8 << 20
	m.plain, m.coded = nil, nil
	if cap(plain) <= most {
		m.plain = plain
	}
	if cap(coded) <= most {
		m.coded = coded
	}
}

type checker struct {
	src   []byte
	at    int // in src
	h     *header
	comps [4]component

	quant   [4][]byte    // as in their segment: a byte of precision and number, and values
	huffman [2][4][]byte // of DC and AC: 16 counts and symbols
	restart int
	scans   int
	surplus bool // bytes between the segments were skipped

	quick    *wholeScan // nil for none
	plain    rewritten
	coded    []byte // the last coded data, without stuffing
	codedAt  int    // where in src they begin
	used     int    // how many of them the picture uses
	spare    int    // bits of the last used byte that it does not use
	interval int    // restart interval last written to plain
}

// A component is what has been read of one component.
type component struct {
	wide, high int // in blocks
	stride     int // blocks from one row to the next, those of whole MCUs
	nonzero    []uint64
	bits       [64]int8 // the lowest bit read of each coefficient, -1 if none
	latched    bool     // the quantisation table has been written
}

func (c *component) init(h *header, i int) {
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

// marker skips to after the next marker and returns its code, or 0 at the end.
func (c *checker) marker() byte {
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

// damaged returns the failure of coded data that are not a picture. Without an end the
// file was cut, whatever was appended to it.
func (c *checker) damaged(format string, args ...any) *codec.Failure {
	why := fmt.Sprintf(format, args...)
	if c.h.ended || !c.h.followed && bytes.HasSuffix(c.src, []byte{0xff, mEOI}) {
		return &codec.Failure{Status: codec.StatusCorrupt, Reason: why}
	}
	return &codec.Failure{Status: codec.StatusTruncated, Reason: why + ", and the image has no end"}
}

// segment reads the segment of a marker. For a scan it reads the coded data too.
func (c *checker) segment(marker byte) *codec.Failure {
	switch {
	case marker >= mRST0 && marker <= mRST7 || marker == mTEM:
		return nil
	case marker < mSOF0:
		return c.damaged("a marker 0x%02x that does not exist", marker)
	case marker == mJPG || marker >= mJPG0 && marker <= mJPG13 || marker == mDHP || marker == mEXP:
		return codec.Fail(codec.StatusUnsupported, "JPEG with a segment 0x%02x, of an extension", marker)
	}
	if c.at+2 > len(c.src) {
		return codec.Fail(codec.StatusTruncated, "ends within a segment's header")
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
			return c.damaged("a restart interval of %d bytes", len(body))
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

func (c *checker) quantTables(b []byte) *codec.Failure {
	for len(b) > 0 {
		n := 1 + 64<<(b[0]>>4&1)
		if b[0]>>4 > 1 || b[0]&15 > 3 || len(b) < n {
			return c.damaged("a damaged quantisation table")
		}
		c.quant[b[0]&3] = b[:n]
		b = b[n:]
	}
	return nil
}

func (c *checker) huffmanTables(b []byte) *codec.Failure {
	for len(b) > 0 {
		n := huffmanLength(b)
		if n == 0 {
			return c.damaged("a damaged Huffman table")
		}
		c.huffman[b[0]>>4][b[0]&15] = b[1:n]
		b = b[n:]
	}
	return nil
}

// huffmanLength returns the length of the first table of a DHT segment, or 0 if it is
// damaged.
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
func (c *checker) complete() bool {
	for i := range c.h.frame.components {
		for _, b := range c.comps[i].bits {
			if b != 0 {
				return false
			}
		}
	}
	return true
}

// finish decides about an image that ends before it is complete: by marker, or with the
// file if marker is 0. Of a progressive JPEG every decoder shows the coarse part alone.
func (c *checker) finish(marker byte) *codec.Failure {
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

// whole decides about a complete picture. Without an end-of-image marker the file may have
// been cut, and the picture completed by what was appended. So the coded data must be
// followed by nothing, by a marker, which is never part of them, or by bytes that cannot
// be coded data.
func (c *checker) whole() *codec.Failure {
	coded, rest := c.coded[:c.used], c.coded[c.used:]
	why := "what follows the coded data may be part of them"
	switch {
	case c.h.frame.arithmetic:
		if c.peek() == mEOI {
			return nil
		}
		return c.damaged("the coded data may continue behind the marker that ends them")
	case len(rest) == 0 || c.peek() == mEOI:
		return nil
	case endsInOnes(coded, c.spare) && (follows(coded, rest) || c.samsungFollows()):
		return nil
	}
	return &codec.Failure{Status: codec.StatusTruncated, Reason: why + ", and the image has no end"}
}

// endsInOnes reports whether the last n bits of b are ones, as encoders write them after
// the last code.
func endsInOnes(b []byte, n int) bool {
	ones := byte(1)<<n - 1
	return len(b) > 0 && b[len(b)-1]&ones == ones
}

// follows reports whether rest is one byte repeated, or begins as text, and the last byte
// of the coded data is not part of it.
func follows(coded, rest []byte) bool {
	const least, most = 16, 64
	last := coded[len(coded)-1:]
	switch {
	case len(rest) < least:
		return false
	case bytes.Count(rest, rest[:1]) == len(rest):
		return last[0] != rest[0]
	}
	return isText(rest[:min(len(rest), most)]) && !isText(last)
}

func isText(b []byte) bool {
	for _, v := range b {
		if (v < ' ' || v > '~') && v != '\n' && v != '\r' && v != '\t' {
			return false
		}
	}
	return true
}

// samsungFollows reports whether the trailer of Samsung's cameras begins right after the
// coded data. It ends with a directory: "SEFH", a version, the number of entries, entries
// of 12 bytes that have at 4 how far before the directory their data begin, then the
// length of all this, and "SEFT".
func (c *checker) samsungFollows() bool {
	const foot, head, entry = 8, 12, 12
	at := len(c.src) - foot
	if at < 0 || string(c.src[at+4:]) != "SEFT" {
		return false
	}
	n := int64(binary.LittleEndian.Uint32(c.src[at:]))
	if n < head || n > int64(at) {
		return false
	}
	at -= int(n)
	dir := c.src[at:][:n]
	if string(dir[:4]) != "SEFH" {
		return false
	}
	first := int64(0)
	for dir = dir[head:]; len(dir) >= entry; dir = dir[entry:] {
		first = max(first, int64(binary.LittleEndian.Uint32(dir[4:])))
	}
	return int64(at)-first == int64(c.codedEnd())
}

// codedEnd returns where in src the last coded byte of the picture ends.
func (c *checker) codedEnd() int {
	at := c.codedAt
	for range c.used {
		if at++; c.src[at-1] == 0xff {
			for c.src[at] == 0xff {
				at++
			}
			at++
		}
	}
	return at
}
