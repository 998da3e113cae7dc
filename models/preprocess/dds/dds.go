// Package dds decodes the first picture of DirectDraw surfaces: uncompressed, and in blocks of
// the forms BC1 to BC5 and BC7.
package dds

import (
	"encoding/binary"
	"math/bits"

	"github.com/batchscore/batchscore/models/preprocess/codec"
)

// Format is DDS's entry in the table of formats.
var Format = codec.Format{Name: "DDS", Extensions: "dds", Signatures: []string{"DDS "}, New: codec.Stateless(decode, need)}

const headerBytes = 128

// A file is what the header says, and the pixels.
type file struct {
	width, height int
	block         func(to *block, src []byte) // nil for pixels that are not in blocks
	blockBytes    int
	bytes         int       // of a pixel
	masks         [4]uint32 // of red, green, blue and alpha
	alpha         bool
	palette       []byte // of 4 bytes a colour
	data          []byte
}

// Bits of the flags of the header.
const (
	flagAlpha     = 0x1
	flagFourCC    = 0x4
	flagPalette   = 0x20
	flagRGB       = 0x40
	flagLuminance = 0x20000
)

func read(src []byte, bounds codec.Bounds) (*file, *codec.Failure) {
	if len(src) < headerBytes {
		return nil, codec.Fail(codec.StatusTruncated, "ends within the header")
	}
	at := func(i int) uint32 { return binary.LittleEndian.Uint32(src[i:]) }
	f := &file{width: int(at(16)), height: int(at(12)), data: src[headerBytes:]}
	flags, code, depth := at(80), string(src[84:88]), int(at(88))
	switch {
	case at(4) != headerBytes-4:
		return nil, codec.Fail(codec.StatusCorrupt, "a header of %d bytes", at(4))
	case f.width < 1 || f.height < 1:
		return nil, codec.Fail(codec.StatusCorrupt, "size of %dx%d", f.width, f.height)
	}
	if fail := bounds.CheckSize(f.width, f.height); fail != nil {
		return nil, fail
	}
	switch {
	case flags&flagRGB != 0 && (depth == 8 || depth == 16 || depth == 24 || depth == 32):
		f.bytes, f.masks = depth/8, [4]uint32{at(92), at(96), at(100)}
		if f.alpha = flags&flagAlpha != 0; f.alpha {
			f.masks[3] = at(104)
		}
	case flags&flagRGB == 0 && flags&flagLuminance != 0 && (depth == 8 || depth == 16):
		f.bytes, f.masks, f.alpha = depth/8, [4]uint32{255, 255, 255, 255 << 8}, depth == 16
	case flags&(flagRGB|flagLuminance) == 0 && flags&flagPalette != 0:
		const size = 1024
		if len(f.data) < size {
			return nil, codec.Fail(codec.StatusTruncated, "ends within the palette")
		}
		f.bytes, f.palette, f.data = 1, f.data[:size], f.data[size:]
	case flags&(flagRGB|flagLuminance) == 0 && flags&flagFourCC != 0:
		if fail := f.compressed(code); fail != nil {
			return nil, fail
		}
	default:
		return nil, codec.Fail(codec.StatusUnsupported, "DDS with the flags %#x and %d bits a pixel", flags, depth)
	}
	size := int64(f.width) * int64(f.height) * int64(f.bytes)
	if f.block != nil {
		size = int64(f.columns()) * int64((f.height+3)/4) * int64(f.blockBytes)
	}
	if int64(len(f.data)) < size {
		return nil, codec.Fail(codec.StatusTruncated, "fewer pixels than the header says")
	}
	return f, nil
}

// compressed finds the form of blocks, by four letters or by a number in a second header.
func (f *file) compressed(code string) *codec.Failure {
	form := code
	if code == "DX10" {
		const size = 20
		if len(f.data) < size {
			return codec.Fail(codec.StatusTruncated, "ends within the header")
		}
		number := binary.LittleEndian.Uint32(f.data)
		f.data = f.data[size:]
		switch number {
		case 70, 71:
			form = "DXT1"
		case 73, 74:
			form = "DXT3"
		case 76, 77:
			form = "DXT5"
		case 79, 80:
			form = "BC4U"
		case 82, 83:
			form = "BC5U"
		case 84:
			form = "BC5S"
		case 97, 98, 99:
			form = "BC7"
		case 27, 28, 29: // uncompressed
			f.bytes, f.masks, f.alpha = 4, [4]uint32{0xff, 0xff00, 0xff0000, 0xff000000}, true
			return nil
		default:
			return codec.Fail(codec.StatusUnsupported, "DDS of the DXGI format %d", number)
		}
	}
	f.blockBytes = 16
	switch form {
	case "DXT1":
		f.block, f.blockBytes, f.alpha = bc1, 8, true
	case "DXT3":
		f.block, f.alpha = bc2, true
	case "DXT5":
		f.block, f.alpha = bc3, true
	case "BC4U", "ATI1":
		f.block, f.blockBytes = bc4, 8
	case "BC5U", "ATI2":
		f.block = func(to *block, src []byte) { bc5(to, src, 0) }
	case "BC5S":
		f.block = func(to *block, src []byte) { bc5(to, src, 128) }
	case "BC7":
		f.block, f.alpha = bc7, true
	default:
		return codec.Fail(codec.StatusUnsupported, "DDS of the form %q", code)
	}
	return nil
}

// columns returns the blocks of a row of blocks.
func (f *file) columns() int { return (f.width + 3) / 4 }

func decode(src []byte, bounds codec.Bounds, to codec.Canvas) *codec.Failure {
	f, fail := read(src, bounds)
	if fail != nil {
		return fail
	}
	px := to.Prepare(f.width, f.height, 1, nil)
	f.alpha = f.alpha && codec.Alpha(to)
	switch {
	case f.block != nil:
		f.blocks(px)
	case f.palette != nil:
		for y := range f.height {
			row := px.Row(y)
			for x, i := range f.data[y*f.width:][:f.width] {
				copy(row[4*x:][:3], f.palette[4*int(i):])
			}
		}
	default:
		f.plain(px)
	}
	return nil
}

// plain fills the pixels of colours in bits of their own.
func (f *file) plain(px codec.Pixels) {
	var tables [4][]uint8 // of colours of up to 8 bits
	var shifts [4]int
	masks := f.masks[:3]
	if f.alpha {
		masks = f.masks[:]
	}
	for c, m := range masks {
		if m == 0 {
			continue
		}
		shifts[c] = bits.TrailingZeros32(m)
		most := m >> shifts[c]
		if most > 255 {
			continue
		}
		tables[c] = make([]uint8, most+1)
		for v := range tables[c] {
			tables[c][v] = uint8(float64(v) / float64(most) * 255)
		}
	}
	at := 0
	for y := range f.height {
		row := px.Row(y)
		for x := range f.width {
			v := uint32(0)
			for i, b := range f.data[at : at+f.bytes] {
				v |= uint32(b) << (8 * i)
			}
			at += f.bytes
			for c, m := range masks {
				s := v & m >> shifts[c]
				switch {
				case tables[c] != nil:
					row[4*x+c] = tables[c][s]
				case m == 0:
					row[4*x+c] = 0
				default:
					row[4*x+c] = uint8(float64(s) / float64(m>>shifts[c]) * 255)
				}
			}
		}
	}
}

// blocks fills the pixels of blocks of 4x4.
func (f *file) blocks(px codec.Pixels) {
	var b block
	at := 0
	for y := 0; y < f.height; y += 4 {
		for x := 0; x < f.width; x += 4 {
			f.block(&b, f.data[at:at+f.blockBytes])
			at += f.blockBytes
			for k := range min(4, f.height-y) {
				row := px.Row(y + k)[4*x:]
				line := (*[4][4]uint8)(b[4*k:])
				if len(row) >= 16 {
					to := row[:16]
					copy(to[:4], line[0][:])
					copy(to[4:8], line[1][:])
					copy(to[8:12], line[2][:])
					copy(to[12:], line[3][:])
					continue
				}
				for i := range min(4, f.width-x) {
					copy(row[4*i:][:4], line[i][:])
				}
			}
		}
	}
}

// need is codec.Decoder's Need: blocks are decoded straight to the canvas.
func need(src []byte, bounds codec.Bounds) codec.Need {
	f, fail := read(src, bounds)
	if fail != nil {
		return codec.Need{}
	}
	return codec.Need{Width: f.width, Height: f.height}
}
