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
	clear         bool          // that is the transparent one
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
		f.fill, f.clear = src[at+5], true // the transparent colour
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

// enough reports whether the data are long enough for the pixels: a code has at least one
// bit, and stands for at most lzwCodes indices.
func (f *frame) enough() bool {
	return int64(len(f.data))*8*lzwCodes >= int64(f.w)*int64(f.h)
}

// rows yields each row of the frame, counted from its top, in the order in which they are
// stored.
func (f *frame) rows(yield func(y int) bool) {
	passes := [][2]int{{0, 1}}
	if f.interlaced {
		passes = [][2]int{{0, 8}, {4, 8}, {2, 4}, {1, 2}}
	}
	for _, pass := range passes {
		for y := pass[0]; y < f.h; y += pass[1] {
			if !yield(y) {
				return
			}
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
	px := to.Prepare(f.width, f.height, 1, nil)
	f.clear = f.clear && codec.Alpha(to)
	if f.w < f.width || f.h < f.height {
		c := f.palette[f.fill]
		for y := range f.height {
			row := px.Row(y)
			for x := range f.width {
				codec.Set(row, x, c[0], c[1], c[2])
				row[4*x+3] = 0
			}
		}
	}
	var colours [len(f.palette)]uint32
	for i, c := range f.palette {
		colours[i] = uint32(c[0]) | uint32(c[1])<<8 | uint32(c[2])<<16 | 255<<24
	}
	if f.clear {
		colours[f.fill] &= 1<<24 - 1
	}
	z, indices := newLZWReader(f), make([]uint8, f.w)
	for y := range f.rows {
		if fail := z.read(indices); fail != nil {
			return fail
		}
		row := px.Row(f.y + y)[4*f.x:][:4*len(indices)]
		for x, i := range indices {
			binary.LittleEndian.PutUint32(row[4*x:], colours[i])
		}
	}
	return nil
}
