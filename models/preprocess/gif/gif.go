// Package gif decodes the first frame of GIF, as leniently as viewers do.
package gif

import (
	"encoding/binary"

	"github.com/batchscore/batchscore/models/preprocess/codec"
)

// Format is GIF's entry in the table of formats.
var Format = codec.Format{
	Name:       "GIF",
	Extensions: "gif",
	Signatures: []string{"GIF87a", "GIF89a"},
	New:        codec.Stateless(decode, need),
}

// A frame is the first frame of a GIF and the screen that it is shown on.
type frame struct {
	width, height int           // of the screen, which grows to hold the frame
	x, y, w, h    int           // where the frame is on it
	palette       [256][3]uint8 // grey where the file has none
	fill          uint8         // index of what the frame does not cover
	interlaced    bool
	codeBits      int    // the width of a pixel in the coded data
	data          []byte // the blocks of coded data, and whatever follows
}

// read follows the blocks to the first frame. Like Pillow, it skips what is not a block.
func read(src []byte) (*frame, *codec.Failure) {
	const header = 13
	cut := codec.Fail(codec.StatusTruncated, "ends before the first picture")
	if len(src) < header {
		return nil, cut
	}
	f := &frame{width: int(binary.LittleEndian.Uint16(src[6:])), height: int(binary.LittleEndian.Uint16(src[8:]))}
	for i := range f.palette {
		f.palette[i] = [3]uint8{uint8(i), uint8(i), uint8(i)}
	}
	at, ok := f.table(src, header, src[10])
	if !ok {
		return nil, cut
	}
	for at < len(src) {
		block := src[at]
		at++
		switch block {
		case ';':
			return nil, codec.Fail(codec.StatusCorrupt, "no picture")
		case '!':
			at = f.extension(src, at)
		case ',':
			return f, f.image(src, at)
		}
	}
	return nil, cut
}

// table reads a colour table, if flags say that there is one, and returns where it ends.
// The colours after its last are black.
func (f *frame) table(src []byte, at int, flags byte) (int, bool) {
	if flags&0x80 == 0 {
		return at, true
	}
	n := 2 << (flags & 7)
	if at+3*n > len(src) {
		return at, false
	}
	clear(f.palette[:])
	for i := range n {
		f.palette[i] = [3]uint8(src[at+3*i:])
	}
	return at + 3*n, true
}

// extension reads the extension whose label is at src[at], and returns where its blocks
// end.
func (f *frame) extension(src []byte, at int) int {
	const control, size = 0xf9, 4
	if at+2+size <= len(src) && src[at] == control && src[at+1] >= size && src[at+2]&1 != 0 {
		f.fill = src[at+5] // the transparent colour
	}
	for at++; at < len(src) && src[at] != 0; {
		at += 1 + int(src[at])
	}
	return at + 1
}

// image reads the head of the frame, which begins at src[at].
func (f *frame) image(src []byte, at int) *codec.Failure {
	const header = 9
	cut := codec.Fail(codec.StatusTruncated, "ends before the pixels")
	if at+header > len(src) {
		return cut
	}
	b := src[at:]
	f.x, f.y = int(binary.LittleEndian.Uint16(b)), int(binary.LittleEndian.Uint16(b[2:]))
	f.w, f.h = int(binary.LittleEndian.Uint16(b[4:])), int(binary.LittleEndian.Uint16(b[6:]))
	flags := b[8]
	f.interlaced = flags&0x40 != 0
	if f.x|f.y|f.w == 0 { // some writers mean the whole screen
		f.w, f.h = f.width, f.height
	}
	beyond := f.x+f.w > f.width || f.y+f.h > f.height
	f.width, f.height = max(f.width, f.x+f.w), max(f.height, f.y+f.h)
	if f.w < 1 || f.h < 1 {
		return codec.Fail(codec.StatusCorrupt, "no pixels")
	}
	at, ok := f.table(src, at+header, flags)
	if !ok || at >= len(src) {
		return cut
	}
	f.codeBits, f.data = int(src[at]), src[at+1:]
	switch {
	case beyond && !f.enough():
		return codec.Fail(codec.StatusCorrupt, "%d bytes for a frame of %dx%d beyond the screen", len(f.data), f.w, f.h)
	case f.codeBits >= lzwBits:
		return codec.Fail(codec.StatusCorrupt, "codes of %d bits", f.codeBits)
	}
	return nil
}

const (
	lzwBits  = 12 // of the longest code
	lzwCodes = 1 << lzwBits
)

// An lzwTable has the strings of LZW: a code is another code and one more index.
type lzwTable struct {
	prefix [lzwCodes]uint16
	last   [lzwCodes]uint8
	length [lzwCodes]uint16
}

// indices decodes the first len(out) indices, and ignores what follows.
func (f *frame) indices(out []uint8) *codec.Failure {
	var (
		t         lzwTable
		reset     = 1 << f.codeBits
		end       = reset + 1
		next      = end + 1
		width     = f.codeBits + 1
		bits      uint32
		have      int
		previous  = -1
		first     uint8 // first index of the string of previous
		at, block int   // in f.data, and bytes left in its block
		n         int
	)
	for n < len(out) {
		for have < width {
			if block == 0 {
				if at >= len(f.data) || f.data[at] == 0 {
					return codec.Fail(codec.StatusTruncated, "fewer pixels than the header says")
				}
				block = int(f.data[at])
				at++
			}
			if at >= len(f.data) {
				return codec.Fail(codec.StatusTruncated, "ends within the pixels")
			}
			bits |= uint32(f.data[at]) << have
			at++
			have += 8
			block--
		}
		code := int(bits & (1<<width - 1))
		bits >>= width
		have -= width
		switch {
		case code == reset:
			next, width, previous = end+1, f.codeBits+1, -1
			continue
		case code == end:
			return codec.Fail(codec.StatusTruncated, "fewer pixels than the header says")
		case code > next || previous < 0 && code > reset || code == next && next >= lzwCodes:
			return codec.Fail(codec.StatusCorrupt, "code %d of %d", code, next)
		}
		// Write the string of code, from its end. The code after the last of the
		// table is the string of previous and its first index.
		length, c := 1, code
		if code == next {
			c = previous
			length++
		}
		if c > reset {
			length += int(t.length[c]) - 1
		}
		to := n + length - 1
		if code == next {
			if to < len(out) {
				out[to] = first
			}
			to--
		}
		for ; c > reset; c = int(t.prefix[c]) {
			if to < len(out) {
				out[to] = t.last[c]
			}
			to--
		}
		first = uint8(c)
		out[n] = first
		n += length
		if previous >= 0 && next < lzwCodes {
			t.prefix[next], t.last[next], t.length[next] = uint16(previous), first, 2
			if previous > reset {
				t.length[next] = t.length[previous] + 1
			}
			if next == 1<<width-1 && width < lzwBits {
				width++
			}
			next++
		}
		previous = code
	}
	return nil
}

// enough reports whether the data are long enough for the pixels: a code has at least one
// bit, and stands for at most lzwCodes indices.
func (f *frame) enough() bool {
	return int64(len(f.data))*8*lzwCodes >= int64(f.w)*int64(f.h)
}

// rows calls yield with each row of the frame, counted from its top, in the order in which
// they are stored.
func (f *frame) rows(yield func(y int)) {
	if !f.interlaced {
		for y := range f.h {
			yield(y)
		}
		return
	}
	for _, pass := range [][2]int{{0, 8}, {4, 8}, {2, 4}, {1, 2}} {
		for y := pass[0]; y < f.h; y += pass[1] {
			yield(y)
		}
	}
}

func decode(src []byte, bounds codec.Bounds, to codec.Canvas) *codec.Failure {
	f, fail := read(src)
	if fail != nil {
		return fail
	}
	if fail := bounds.CheckSize(f.width, f.height); fail != nil {
		return fail
	}
	if !f.enough() {
		return codec.Fail(codec.StatusTruncated, "fewer pixels than the header says")
	}
	indices := make([]uint8, f.w*f.h)
	if fail := f.indices(indices); fail != nil {
		return fail
	}
	px := to.Prepare(f.width, f.height, 1, nil)
	if f.w < f.width || f.h < f.height {
		c := f.palette[f.fill]
		for y := range f.height {
			row := px.Row(y)
			for x := range f.width {
				codec.Set(row, x, c[0], c[1], c[2])
			}
		}
	}
	f.rows(func(y int) {
		row := px.Row(f.y + y)[4*f.x:]
		for x, i := range indices[:f.w] {
			c := f.palette[i]
			codec.Set(row, x, c[0], c[1], c[2])
		}
		indices = indices[f.w:]
	})
	return nil
}
