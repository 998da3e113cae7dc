// Package bmp decodes BMP in every form that Pillow reads, as leniently as viewers do.
package bmp

import (
	"encoding/binary"
	"math/bits"

	"github.com/batchscore/batchscore/models/preprocess/codec"
)

// Format is BMP's entry in the table of formats.
var Format = codec.Format{
	Name:       "BMP",
	Extensions: "bmp dib",
	Match:      func(src []byte) bool { return isBMP(src) || isDIB(src) },
	New:        func(c codec.Config) (codec.Decoder, error) { return &decoder{c}, nil },
}

// A decoder decodes BMP. It keeps nothing.
type decoder struct{ config codec.Config }

func (d *decoder) Close() {}

// A header is what the headers of a BMP say.
type header struct {
	width, height int
	topDown       bool
	bits          int // a pixel
	compression   uint32
	masks         [3]mask // of red, green and blue, where a pixel has 16 bits or more
	alpha         mask    // the same, of a header that has it
	palette       [256][3]uint8
	colours       [256]uint32 // the pixels of palette
	pixels        int         // where in the file they begin
}

// Values of header.compression.
const (
	raw       = 0
	rle8      = 1
	rle4      = 2
	bitfields = 3
	jpeg      = 4 // a file of JPEG follows the headers
	png       = 5
)

// A mask is the bits of a pixel that hold one colour.
type mask struct {
	shift int
	most  uint64
}

// newMask returns a mask, and whether its bits are next to each other.
func newMask(v uint32) (mask, bool) {
	m := mask{shift: bits.TrailingZeros32(v)}
	if v != 0 {
		m.most = uint64(v >> m.shift)
	}
	return m, m.most&(m.most+1) == 0
}

// of returns the colour that v has, scaled to 0 to 255.
func (m mask) of(v uint32) uint8 {
	switch m.most {
	case 0:
		return 0
	case 255:
		return uint8(v >> m.shift)
	}
	return uint8(uint64(v>>m.shift) & m.most * 255 / m.most)
}

// isBMP reports whether src begins as a BMP, with a second header of a size that exists: "BM"
// alone may begin a text.
func isBMP(src []byte) bool {
	if len(src) < 18 || !codec.HasSignature(src, "BM") {
		return false
	}
	switch binary.LittleEndian.Uint32(src[14:]) {
	case 12, 16, 40, 52, 56, 64, 108, 124:
		return true
	}
	return false
}

// isDIB reports whether src is a BMP without its first header, with a second header of which
// every field is plausible.
func isDIB(src []byte) bool {
	const size = 40
	if len(src) < size || binary.LittleEndian.Uint16(src[12:]) != 1 { // planes
		return false
	}
	switch binary.LittleEndian.Uint32(src) {
	case 40, 52, 56, 64, 108, 124:
	default:
		return false
	}
	width, height := int32(binary.LittleEndian.Uint32(src[4:])), int32(binary.LittleEndian.Uint32(src[8:]))
	b := header{bits: int(binary.LittleEndian.Uint16(src[14:])), compression: binary.LittleEndian.Uint32(src[16:])}
	return width > 0 && height != 0 && b.supported(size) == nil
}

// read reads the headers and the palette of a file that isBMP accepts.
func read(src []byte) (*header, *codec.Failure) {
	const fileHeader, coreHeader, infoHeader = 14, 12, 40
	size := int(binary.LittleEndian.Uint32(src[fileHeader:]))
	if size == 16 { // the short form of OS/2, which no program writes
		return nil, codec.Fail(codec.StatusUnsupported, "BMP with a header of 16 bytes")
	}
	if fileHeader+size > len(src) {
		return nil, codec.Fail(codec.StatusTruncated, "ends within the header")
	}
	h := src[fileHeader : fileHeader+size]
	b := &header{}
	planesAt, entry, colours := 12, 4, uint64(0)
	if size == coreHeader {
		planesAt, entry = 8, 3
		b.width, b.height = int(binary.LittleEndian.Uint16(h[4:])), int(binary.LittleEndian.Uint16(h[6:]))
	} else {
		b.width, b.height = int(int32(binary.LittleEndian.Uint32(h[4:]))), int(int32(binary.LittleEndian.Uint32(h[8:])))
		if b.height < 0 {
			b.topDown, b.height = true, -b.height
		}
		b.compression = binary.LittleEndian.Uint32(h[16:])
		colours = uint64(binary.LittleEndian.Uint32(h[32:]))
	}
	b.bits = int(binary.LittleEndian.Uint16(h[planesAt+2:]))
	switch {
	case b.width < 0:
		return nil, codec.Fail(codec.StatusUnsupported, "BMP of width %d", b.width)
	case b.width == 0 || b.height == 0:
		return nil, codec.Fail(codec.StatusCorrupt, "no pixels")
	}
	if f := b.supported(size); f != nil {
		return nil, f
	}
	at := fileHeader + size
	if b.inner() != "" {
		if b.pixels = int(binary.LittleEndian.Uint32(src[10:])); b.pixels == 0 {
			b.pixels = at
		}
		return b, nil
	}
	if b.bits >= 16 {
		masks := [3]uint32{0xff0000, 0xff00, 0xff}
		if b.bits == 16 {
			masks = [3]uint32{0x7c00, 0x3e0, 0x1f}
		}
		if b.compression == bitfields {
			// The masks are part of every header but the shortest, which they follow.
			if size == infoHeader {
				at += 12
			}
			if fileHeader+infoHeader+12 > len(src) {
				return nil, codec.Fail(codec.StatusTruncated, "ends within the header")
			}
			for i := range masks {
				masks[i] = binary.LittleEndian.Uint32(src[fileHeader+infoHeader+4*i:])
			}
			if masks == [3]uint32{} {
				masks = [3]uint32{0xff0000, 0xff00, 0xff}
			}
		}
		if at := fileHeader + infoHeader + 12; b.compression == bitfields && size >= 56 {
			if m, ok := newMask(binary.LittleEndian.Uint32(src[at:])); ok {
				b.alpha = m
			}
		}
		for i, m := range masks {
			var ok bool
			if b.masks[i], ok = newMask(m); !ok || uint64(m)>>b.bits != 0 {
				return nil, codec.Fail(codec.StatusUnsupported, "BMP of %d bits a pixel with the bit mask %#x", b.bits, m)
			}
		}
	}
	if b.bits <= 8 {
		if colours == 0 {
			colours = 1 << b.bits
		}
		for i := range int(min(colours, uint64(1)<<b.bits)) {
			if at+entry*(i+1) > len(src) {
				break // the pixels are checked later
			}
			e := src[at+entry*i:]
			b.palette[i] = [3]uint8{e[2], e[1], e[0]}
		}
		if b.bits == 1 && colours == 1 && b.palette[0] == [3]uint8{} {
			b.palette[1] = [3]uint8{255, 255, 255}
		}
		at += int(min(uint64(entry)*colours, 1<<31))
	}
	b.pixels = at
	// If the file says that the pixels begin right after the header, where the palette
	// is, the writer forgot the palette.
	if said := binary.LittleEndian.Uint32(src[10:]); said != 0 && !(b.bits <= 8 && int(said) == fileHeader+size) {
		b.pixels = int(said)
	}
	return b, nil
}

// supported returns nil if a BMP with a header of size bytes can be decoded.
func (b *header) supported(size int) *codec.Failure {
	const os2Header = 64 // it numbers further ways of compression differently
	ok := b.inner() != "" && size != os2Header
	switch b.bits {
	case 1, 2:
		ok = ok || b.compression == raw
	case 4:
		ok = ok || b.compression == raw || b.compression == rle4
	case 8:
		ok = ok || b.compression == raw || b.compression == rle8
	case 16, 24, 32:
		ok = ok || b.compression == raw || b.compression == bitfields && size != os2Header
	}
	if !ok {
		return codec.Fail(codec.StatusUnsupported, "BMP of %d bits a pixel, compression %d", b.bits, b.compression)
	}
	return nil
}

// inner returns the format of the file that holds the pixels, or "".
func (b *header) inner() string {
	switch b.compression {
	case jpeg:
		return "JPEG"
	case png:
		return "PNG"
	}
	return ""
}

// row returns which row of the picture the stored row y is.
func (b *header) row(y int) int {
	if b.topDown {
		return y
	}
	return b.height - 1 - y
}

// unpack writes the pixels of a stored row.
func (b *header) unpack(row []uint8, line []byte) {
	switch b.bits {
	case 24:
		for x := range b.width {
			q := line[3*x:][:3]
			v := uint32(q[0]) | uint32(q[1])<<8 | uint32(q[2])<<16
			codec.Set(row, x, b.masks[0].of(v), b.masks[1].of(v), b.masks[2].of(v))
		}
	case 16:
		for x := range b.width {
			v := uint32(binary.LittleEndian.Uint16(line[2*x:]))
			codec.Set(row, x, b.masks[0].of(v), b.masks[1].of(v), b.masks[2].of(v))
		}
	case 32:
		for x := range b.width {
			v := binary.LittleEndian.Uint32(line[4*x:])
			codec.Set(row, x, b.masks[0].of(v), b.masks[1].of(v), b.masks[2].of(v))
		}
	case 8:
		for x, v := range line[:b.width] {
			binary.LittleEndian.PutUint32(row[4*x:], b.colours[v])
		}
	default:
		perByte, mask := 8/b.bits, uint8(1)<<b.bits-1
		for x := range b.width {
			v := line[x/perByte] >> (8 - b.bits*(x%perByte+1)) & mask
			binary.LittleEndian.PutUint32(row[4*x:], b.colours[v])
		}
	}
}

// find reads the headers, and returns what the file has of the pixels.
func find(src []byte, bounds codec.Bounds) (*header, []byte, *codec.Failure) {
	head, left := src, 0
	if isDIB(src) {
		// Add the first header, which a clipboard leaves out.
		const first, most = "BM\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", 4096 // more than other headers and a palette
		head, left = append([]byte(first), src[:min(len(src), most)]...), len(first)
	} else if !isBMP(src) { // in an icon
		return nil, nil, codec.Fail(codec.StatusUnsupported, "a bitmap whose header is not that of a BMP")
	}
	b, fail := read(head)
	if fail != nil {
		return nil, nil, fail
	}
	if fail := bounds.CheckSize(b.width, b.height); fail != nil {
		return nil, nil, fail
	}
	if b.pixels-left > len(src) {
		return nil, nil, codec.Fail(codec.StatusTruncated, "ends before the pixels")
	}
	return b, src[b.pixels-left:], nil
}

// Decode implements codec.Decoder.
func (d *decoder) Decode(src []byte, bounds codec.Bounds, to codec.Canvas) (*codec.Failure, error) {
	b, stored, fail := find(src, bounds)
	if fail != nil {
		return fail, nil
	}
	if b.inner() == "" {
		return b.decode(stored, to), nil
	}
	in := d.config.InnerDecoder(b.inner())
	if in == nil {
		return codec.Fail(codec.StatusUnsupported, "BMP that holds a %s", b.inner()), nil
	}
	if n := in.Need(stored, bounds); n.Width > 0 && (n.Width != b.width || n.Height != b.height) {
		return codec.Fail(codec.StatusCorrupt, "a %s of %dx%d pixels in a BMP of %dx%d", b.inner(), n.Width, n.Height, b.width, b.height), nil
	}
	return in.Decode(stored, bounds, codec.Stored(to))
}

func (b *header) decode(stored []byte, to codec.Canvas) *codec.Failure {
	if b.compression == rle4 || b.compression == rle8 {
		return b.runs(stored, to.Prepare(b.width, b.height, 1, nil))
	}
	stride := (b.width*b.bits + 31) / 32 * 4
	// Only the padding of the last row may be missing.
	if len(stored) < stride*(b.height-1)+(b.width*b.bits+7)/8 {
		return codec.Fail(codec.StatusTruncated, "fewer pixels than the header says")
	}
	for i, c := range b.palette {
		b.colours[i] = uint32(c[0]) | uint32(c[1])<<8 | uint32(c[2])<<16
	}
	px := to.Prepare(b.width, b.height, 1, nil)
	alpha := b.alpha.most > 0 && b.bits == 32 && codec.Alpha(to)
	for y := range b.height {
		row, line := px.Row(b.row(y)), stored[y*stride:]
		b.unpack(row, line)
		if alpha {
			for x := 0; x < len(row); x += 4 {
				row[x+3] = b.alpha.of(binary.LittleEndian.Uint32(line[x:]))
			}
		}
	}
	return nil
}
