// Package tga decodes TGA (Targa).
package tga

import (
	"bytes"
	"encoding/binary"

	"github.com/batchscore/batchscore/models/preprocess/codec"
)

// Format is TGA's entry in the table of formats. Only the plausibility of its header tells a
// TGA, so it comes last.
var Format = codec.Format{Name: "TGA", Extensions: "tga icb vda vst", Match: match, New: codec.Stateless(decode, need)}

const headerBytes = 18

// Values of file.kind.
const (
	mapped = 1
	colour = 2
	grey   = 3
)

// A file is what the header says, the palette, and what follows.
type file struct {
	width, height int
	kind, depth   int
	runs          bool // run-length encoded
	topDown       bool
	rightToLeft   bool
	palette       codec.Colours // of grey, too
	data          []byte
}

// match reports whether src has the footer of version 2, or a header of which every field is
// plausible.
func match(src []byte) bool {
	if len(src) <= headerBytes {
		return false
	}
	if bytes.HasSuffix(src, []byte("TRUEVISION-XFILE.\x00")) {
		return true
	}
	hasMap, kind, depth := src[1], src[2]&^8, src[16]
	if hasMap > 1 || src[2] > 11 || binary.LittleEndian.Uint16(src[12:]) == 0 || binary.LittleEndian.Uint16(src[14:]) == 0 {
		return false
	}
	switch kind {
	case mapped:
		entry := src[7]
		return hasMap == 1 && depth == 8 && (entry == 15 || entry == 16 || entry == 24 || entry == 32) &&
			binary.LittleEndian.Uint16(src[5:]) > 0
	case colour:
		return depth == 15 || depth == 16 || depth == 24 || depth == 32
	case grey:
		return hasMap == 0 && (depth == 8 || depth == 16 || depth == 1)
	}
	return false
}

func read(src []byte, bounds codec.Bounds) (*file, *codec.Failure) {
	kind, depth, flags := int(src[2]), int(src[16]), src[17]
	f := &file{
		width: int(binary.LittleEndian.Uint16(src[12:])), height: int(binary.LittleEndian.Uint16(src[14:])),
		kind: kind & 7, depth: depth, runs: kind&8 != 0, topDown: flags&0x20 != 0, rightToLeft: flags&0x10 != 0,
	}
	ok := false
	switch f.kind {
	case mapped:
		ok = depth == 8 && src[1] == 1
	case colour:
		ok = depth == 15 || depth == 16 || depth == 24 || depth == 32
	case grey:
		ok = depth == 1 && !f.runs || depth == 8 || depth == 16
	}
	switch {
	case kind == 0:
		return nil, codec.Fail(codec.StatusCorrupt, "no picture")
	case f.width == 0 || f.height == 0:
		return nil, codec.Fail(codec.StatusCorrupt, "no pixels")
	case !ok || kind > 11:
		return nil, codec.Fail(codec.StatusUnsupported, "TGA of kind %d with %d bits a pixel", kind, depth)
	}
	if f.kind == grey {
		f.greys()
	}
	at, fail := f.colours(src)
	if fail != nil {
		return nil, fail
	}
	f.data = src[at:]
	if fail := bounds.CheckSize(f.width, f.height); fail != nil {
		return nil, fail
	}
	least := f.stride() * f.height
	if f.runs { // at most 128 pixels of a byte and a pixel
		least = (f.width*f.height + 127) / 128 * (1 + f.pixelBytes())
	}
	if len(f.data) < least {
		return nil, short()
	}
	return f, nil
}

func short() *codec.Failure {
	return codec.Fail(codec.StatusTruncated, "fewer pixels than the header says")
}

// greys makes a palette of greys.
func (f *file) greys() {
	for i := range f.palette {
		v := uint8(i)
		if f.depth == 1 {
			v = -v
		}
		f.palette.Put(i, v, v, v)
	}
}

// colours reads the palette, if there is one, and returns where the pixels begin.
func (f *file) colours(src []byte) (int, *codec.Failure) {
	at := headerBytes + int(src[0])
	if src[1] == 0 {
		return min(at, len(src)), nil
	}
	first, n, depth := int(binary.LittleEndian.Uint16(src[3:])), int(binary.LittleEndian.Uint16(src[5:])), int(src[7])
	switch depth {
	case 15, 16, 24, 32:
	default:
		return 0, codec.Fail(codec.StatusUnsupported, "TGA with a palette of %d bits a colour", depth)
	}
	size := (depth + 7) / 8
	if at+n*size > len(src) {
		return 0, codec.Fail(codec.StatusTruncated, "ends within the palette")
	}
	for i := range n {
		if f.kind == mapped && first+i < len(f.palette) {
			c := rgb(src[at+i*size:], depth)
			f.palette.Put(first+i, c[0], c[1], c[2])
		}
	}
	return at + n*size, nil
}

// rgb returns the colour of a pixel or of an entry of a palette.
func rgb(b []byte, depth int) [3]uint8 {
	if depth > 16 {
		return [3]uint8{b[2], b[1], b[0]}
	}
	v := int(binary.LittleEndian.Uint16(b))
	return [3]uint8{uint8(v >> 10 & 31 * 255 / 31), uint8(v >> 5 & 31 * 255 / 31), uint8(v & 31 * 255 / 31)}
}

func (f *file) pixelBytes() int { return (f.depth + 7) / 8 }

func (f *file) stride() int { return (f.width*f.depth + 7) / 8 }

func decode(src []byte, bounds codec.Bounds, to codec.Canvas) *codec.Failure {
	f, fail := read(src, bounds)
	if fail != nil {
		return fail
	}
	px := to.Prepare(f.width, f.height, 1, nil)
	alpha := f.hasAlpha(src) && codec.Alpha(to)
	stride := f.stride()
	var line []uint8
	r := runs{src: f.data, size: f.pixelBytes()}
	if f.runs {
		line = make([]uint8, stride)
	}
	for y := range f.height {
		if f.runs {
			if !r.read(line) {
				return short()
			}
		} else {
			line = f.data[y*stride:][:stride]
		}
		to := y
		if !f.topDown {
			to = f.height - 1 - y
		}
		f.unpack(px.Row(to), line)
		if alpha {
			size := f.pixelBytes()
			for x := range f.width { // the last byte of a pixel
				px.Row(to)[4*x+3] = line[(x+1)*size-1]
			}
		}
		if f.rightToLeft {
			mirror(px.Row(to))
		}
	}
	return nil
}

// hasAlpha reports whether pixels have a byte of alpha, as the header says in a count of bits.
func (f *file) hasAlpha(src []byte) bool {
	return src[17]&15 == 8 && (f.kind == colour && f.depth == 32 || f.kind == grey && f.depth == 16)
}

// unpack writes the pixels of a row.
func (f *file) unpack(row, line []uint8) {
	size := f.pixelBytes()
	switch {
	case f.depth >= 24:
		for x := range f.width {
			b := line[x*size:][:3]
			codec.Set(row, x, b[2], b[1], b[0])
		}
	case f.kind == colour:
		for x := range f.width {
			c := rgb(line[2*x:], f.depth)
			codec.Set(row, x, c[0], c[1], c[2])
		}
	case f.depth == 1:
		f.palette.FillBits(row, line, f.width)
	case f.depth == 8:
		f.palette.Fill(row, line[:f.width])
	default: // grey, and its alpha
		for x := range f.width {
			v := line[2*x]
			codec.Set(row, x, v, v, v)
		}
	}
}

// mirror reverses the order of the pixels of a row.
func mirror(row []uint8) {
	for i, k := 0, len(row)-4; i < k; i, k = i+4, k-4 {
		a, b := [4]uint8(row[i:]), [4]uint8(row[k:])
		copy(row[i:], b[:])
		copy(row[k:], a[:])
	}
}

// runs decodes run lengths. A run may continue in the next row.
type runs struct {
	src   []byte
	size  int // bytes of a pixel
	left  int // pixels of the current run or literal
	equal bool
}

// read fills line, and reports whether the data are enough.
func (r *runs) read(line []uint8) bool {
	for len(line) > 0 {
		if r.left == 0 {
			if len(r.src) == 0 {
				return false
			}
			r.left, r.equal = int(r.src[0]&127)+1, r.src[0]&128 != 0
			r.src = r.src[1:]
		}
		n := min(r.left*r.size, len(line))
		if r.equal {
			if len(r.src) < r.size {
				return false
			}
			fill(line[:n], r.src[:r.size])
		} else {
			if len(r.src) < n {
				return false
			}
			literal(line[:n], r.src)
			r.src = r.src[n:]
		}
		if r.left -= n / r.size; r.left == 0 && r.equal {
			r.src = r.src[r.size:]
		}
		line = line[n:]
	}
	return true
}

// few is how many bytes are copied one by one, since a call takes longer.
const few = 16

// literal copies to line.
func literal(line, src []uint8) {
	if len(line) > few {
		copy(line, src)
		return
	}
	for i := range line {
		line[i] = src[i]
	}
}

// fill repeats a pixel.
func fill(line, pixel []uint8) {
	switch len(pixel) {
	case 1:
		v := pixel[0]
		for i := range line {
			line[i] = v
		}
	case 3:
		a, b, c := pixel[0], pixel[1], pixel[2]
		for ; len(line) >= 3; line = line[3:] {
			line[0], line[1], line[2] = a, b, c
		}
	case 4:
		v := binary.LittleEndian.Uint32(pixel)
		for ; len(line) >= 4; line = line[4:] {
			binary.LittleEndian.PutUint32(line, v)
		}
	default:
		for n := copy(line, pixel); n < len(line); n *= 2 {
			copy(line[n:], line[:n])
		}
	}
}

// need is codec.Decoder's Need: a row.
func need(src []byte, bounds codec.Bounds) codec.Need {
	f, fail := read(src, bounds)
	if fail != nil {
		return codec.Need{}
	}
	return codec.Need{Width: f.width, Height: f.height, Bytes: int64(f.stride())}
}
