// Package pcx decodes PCX (Paintbrush), and the first page of DCX.
package pcx

import (
	"encoding/binary"

	"github.com/batchscore/batchscore/models/preprocess/codec"
)

// The entries of the table of formats.
var (
	Format = codec.Format{
		Name: "PCX", Extensions: "pcx", Signatures: []string{"\x0a.\x01"}, Match: isPCX,
		New: codec.Stateless(decode, need),
	}
	DCX = codec.Format{
		Name: "DCX", Extensions: "dcx", Signatures: []string{"\xb1\x68\xde\x3a"},
		New: codec.Stateless(decodeFirst, needFirst),
	}
)

const headerBytes = 128

func isPCX(src []byte) bool {
	if len(src) < headerBytes || src[1] > 5 || src[1] == 1 {
		return false
	}
	switch src[3] { // bits a sample
	case 1, 2, 4, 8:
		return true
	}
	return false
}

// A file is what the header says, the palette, and what follows.
type file struct {
	width, height int
	bits, planes  int
	stride        int // bytes of a plane of a row
	palette       codec.Colours
	data          []byte
}

func read(src []byte, bounds codec.Bounds) (*file, *codec.Failure) {
	if len(src) < headerBytes {
		return nil, codec.Fail(codec.StatusTruncated, "ends within the header")
	}
	at := func(i int) int { return int(binary.LittleEndian.Uint16(src[i:])) }
	f := &file{width: at(8) + 1 - at(4), height: at(10) + 1 - at(6), bits: int(src[3]), planes: int(src[65]), data: src[headerBytes:]}
	if f.width < 1 || f.height < 1 {
		return nil, codec.Fail(codec.StatusCorrupt, "size of %dx%d", f.width, f.height)
	}
	switch {
	case f.bits == 1 && f.planes == 1:
		f.palette.Put(1, 255, 255, 255)
	case f.bits == 1 && (f.planes == 2 || f.planes == 4):
		for i := range 16 {
			f.palette.Put(i, src[16+3*i], src[17+3*i], src[18+3*i])
		}
	case f.bits == 8 && f.planes == 1 && src[1] == 5:
		const infoGrey = 2
		if !f.lastPalette() && at(68) != infoGrey {
			return nil, codec.Fail(codec.StatusTruncated, "no palette at the end")
		}
	case f.bits == 8 && f.planes == 3 && src[1] == 5:
	default:
		return nil, codec.Fail(codec.StatusUnsupported, "PCX of version %d with %d planes of %d bits", src[1], f.planes, f.bits)
	}
	if fail := bounds.CheckSize(f.width, f.height); fail != nil {
		return nil, fail
	}
	// Most writers make the number of bytes even, and some say so wrongly.
	f.stride = (f.width*f.bits + 7) / 8
	if at(66) != f.stride {
		f.stride += f.stride % 2
	}
	const longest = 63 // bytes of a run, of two bytes
	if int64(len(f.data))*longest < 2*int64(f.stride*f.planes)*int64(f.height) {
		return nil, short()
	}
	return f, nil
}

func short() *codec.Failure {
	return codec.Fail(codec.StatusTruncated, "fewer pixels than the header says")
}

// lastPalette reads the palette at the end of the file, and reports whether there is one. Without
// it the picture is grey.
func (f *file) lastPalette() bool {
	const size = 1 + 3*256
	for i := range f.palette {
		f.palette.Put(i, uint8(i), uint8(i), uint8(i))
	}
	at := len(f.data) - size
	if at < 0 || f.data[at] != 12 {
		return false
	}
	for i := range f.palette {
		c := f.data[at+1+3*i:]
		f.palette.Put(i, c[0], c[1], c[2])
	}
	return true
}

func decode(src []byte, bounds codec.Bounds, to codec.Canvas) *codec.Failure {
	f, fail := read(src, bounds)
	if fail != nil {
		return fail
	}
	px := to.Prepare(f.width, f.height, 1, nil)
	line := make([]uint8, f.stride*f.planes)
	src = f.data
	for y := range f.height {
		for x := 0; x < len(line); {
			if len(src) == 0 {
				return short()
			}
			if src[0] < 0xc0 {
				line[x] = src[0]
				src = src[1:]
				x++
				continue
			}
			if len(src) < 2 {
				return short()
			}
			n := int(src[0] & 63)
			if n > len(line)-x {
				return codec.Fail(codec.StatusCorrupt, "row %d: a run beyond the row", y)
			}
			run, v := line[x:x+n], src[1]
			for i := range run {
				run[i] = v
			}
			x, src = x+n, src[2:]
		}
		f.unpack(px.Row(y), line)
	}
	return nil
}

// unpack writes the pixels of a row.
func (f *file) unpack(row, line []uint8) {
	switch {
	case f.planes == 3:
		for x := range f.width {
			codec.Set(row, x, line[x], line[f.stride+x], line[2*f.stride+x])
		}
	case f.bits == 8:
		f.palette.Fill(row, line[:f.width])
	case f.planes == 1:
		f.palette.FillBits(row, line, f.width)
	default:
		for x := range f.width {
			i := uint8(0)
			for p := range f.planes {
				i |= codec.Packed(line[p*f.stride:], x, 1) << p
			}
			f.palette.Fill(row[4*x:], []uint8{i})
		}
	}
}

// need is codec.Decoder's Need: a row.
func need(src []byte, bounds codec.Bounds) codec.Need {
	f, fail := read(src, bounds)
	if fail != nil {
		return codec.Need{}
	}
	return codec.Need{Width: f.width, Height: f.height, Bytes: int64(f.stride * f.planes)}
}

// first returns the first page of a DCX.
func first(src []byte) ([]byte, *codec.Failure) {
	if len(src) < 12 {
		return nil, codec.Fail(codec.StatusTruncated, "ends within the header")
	}
	at, next := int(binary.LittleEndian.Uint32(src[4:])), int(binary.LittleEndian.Uint32(src[8:]))
	switch {
	case at == 0:
		return nil, codec.Fail(codec.StatusCorrupt, "no picture")
	case at >= len(src):
		return nil, codec.Fail(codec.StatusTruncated, "ends before the first picture")
	case next > len(src):
		return nil, codec.Fail(codec.StatusTruncated, "ends within the first picture")
	case next <= at:
		next = len(src)
	}
	page := src[at:next]
	if len(page) >= headerBytes && page[0] != 0x0a {
		return nil, codec.Fail(codec.StatusCorrupt, "the first picture is not a PCX")
	}
	return page, nil
}

func decodeFirst(src []byte, bounds codec.Bounds, to codec.Canvas) *codec.Failure {
	page, fail := first(src)
	if fail != nil {
		return fail
	}
	return decode(page, bounds, to)
}

func needFirst(src []byte, bounds codec.Bounds) codec.Need {
	page, fail := first(src)
	if fail != nil {
		return codec.Need{}
	}
	return need(page, bounds)
}
