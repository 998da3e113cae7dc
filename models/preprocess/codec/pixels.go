package codec

import (
	"encoding/binary"
	"errors"
)

// ErrInUse is the error of a codec that cannot say when it is done with the pixels and the
// encoded image. Their memory may not be used or freed.
var ErrInUse = errors.New("its memory may still be in use")

// A Canvas provides the memory for the pixels of one image.
type Canvas interface {
	// Prepare returns memory for an image whose stored pixels are width x height and
	// are made upright by o. A codec calls it once for each image, after every check
	// that is possible without pixels, and then fills all of the memory. Its content
	// is undefined before. A codec may call it again with the same size, for another
	// decoder, if the one that it called it for does not decode the image.
	//
	// A codec that can shrink while it decodes passes the factors; the Pixels may then
	// be smaller than width x height by one of them. Other codecs pass nil.
	Prepare(width, height int, o Orientation, scales []Scale) Pixels
}

// An AlphaCanvas is a Canvas that may want the alpha of pixels.
type AlphaCanvas interface {
	Canvas
	// Alpha is told that the image has transparent pixels. It reports whether their alpha is
	// wanted.
	Alpha() bool
}

// Alpha reports whether the canvas wants the alpha of an image that has an alpha channel or a
// transparent colour. If so, the codec fills the fourth byte of every pixel with the alpha, from 0
// for transparent to 255 for opaque; the colours are not multiplied by it. A codec calls it after
// Prepare, for images with transparency only. Else the fourth bytes are ignored.
func Alpha(to Canvas) bool {
	a, ok := to.(AlphaCanvas)
	return ok && a.Alpha()
}

// Pixels is memory for width x height pixels of 4 bytes: red, green, blue, and one
// that is ignored, or the alpha if Alpha reports true. The rows are in stored order, Pitch bytes apart.
type Pixels struct {
	Bytes         []uint8 // Pitch * Height
	Pitch         int
	Width, Height int
}

// Row returns the bytes of row y, four for each pixel.
func (p Pixels) Row(y int) []uint8 { return p.Bytes[y*p.Pitch:][:4*p.Width] }

// Planes is memory for the luma and the chroma of a picture, of which 2 x 2 pixels share a
// sample of Cb and one of Cr. Y has an even number of rows and columns.
type Planes struct {
	Y, Cb, Cr      []uint8
	YPitch, CPitch int // bytes from one row to the next
}

// A PlanesCanvas is a Canvas that may want the planes of a picture.
type PlanesCanvas interface {
	Canvas
	// Planes returns memory for the planes of the image that Prepare was called for last, of
	// undefined content, in place of its Pixels, and reports whether it wants them. Another
	// call of Prepare brings the Pixels back.
	Planes() (Planes, bool)
}

// A Scale is a factor Num/Denom by which a codec can shrink while it decodes.
type Scale struct{ Num, Denom int }

// Apply returns how many pixels become of n, rounded up as TurboJPEG does.
func (s Scale) Apply(n int) int { return (n*s.Num + s.Denom - 1) / s.Denom }

// Set sets pixel x of a row.
func Set(row []uint8, x int, r, g, b uint8) {
	p := row[4*x:][:4]
	p[0], p[1], p[2] = r, g, b
}

// Packed returns sample x of a row of samples of 1, 2, 4 or 8 bits, the first sample
// in the highest bits.
func Packed(line []byte, x, bits int) uint8 {
	at := x * bits
	return line[at/8] >> (8 - bits - at%8) & (1<<bits - 1)
}

// Clamp returns v as a byte, at least 0 and at most 255.
func Clamp(v int) uint8 { return uint8(min(max(v, 0), 255)) }

// A RowPair is two rows of samples, of chroma for example, that a decoder reuses from image
// to image.
type RowPair [2][]uint8

// Of returns the rows, of width samples. Their content is undefined.
func (p *RowPair) Of(width int) (a, b []uint8) {
	for i := range p {
		if cap(p[i]) < width {
			p[i] = make([]uint8, width)
		}
		p[i] = p[i][:width]
	}
	return p[0], p[1]
}

// Colours is a palette: the pixel of each index, as its four bytes are in a row.
type Colours [256]uint32

// Put sets the colour of an index.
func (c *Colours) Put(i int, r, g, b uint8) { c[i] = uint32(r) | uint32(g)<<8 | uint32(b)<<16 }

// Fill writes a row of pixels that have these indices.
func (c *Colours) Fill(row, indices []uint8) {
	row = row[:4*len(indices)]
	for _, i := range indices {
		binary.LittleEndian.PutUint32(row, c[i])
		row = row[4:]
	}
}

// FillBits writes a row of width pixels whose indices are bits, the first in the highest bit.
func (c *Colours) FillBits(row, line []uint8, width int) {
	row = row[:4*width]
	for _, b := range line[:(width+7)/8] {
		for k := 0; k < 8 && len(row) > 0; k++ {
			binary.LittleEndian.PutUint32(row, c[b>>7])
			b <<= 1
			row = row[4:]
		}
	}
}
