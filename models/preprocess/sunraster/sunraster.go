// Package sunraster decodes Sun raster files.
package sunraster

import (
	"encoding/binary"

	"github.com/batchscore/batchscore/models/preprocess/codec"
)

// Format is the entry of Sun raster in the table of formats.
var Format = codec.Format{
	Name: "Sun raster", Extensions: "ras sun sr im1 im8", Signatures: []string{"\x59\xa6\x6a\x95"},
	New: codec.Stateless(decode, need),
}

// Values of file.kind.
const (
	kindRuns = 2
	kindRGB  = 3 // red before blue
)

const headerBytes = 32

// A file is what the header says, the palette, and what follows.
type file struct {
	width, height int
	depth, kind   int
	mapped        bool
	palette       [256][3]uint8
	data          []byte
}

func read(src []byte, bounds codec.Bounds) (*file, *codec.Failure) {
	if len(src) < headerBytes {
		return nil, codec.Fail(codec.StatusTruncated, "ends within the header")
	}
	at := func(i int) int { return int(binary.BigEndian.Uint32(src[4*i:])) }
	f := &file{width: at(1), height: at(2), depth: at(3), kind: at(5)}
	mapKind, mapBytes := at(6), at(7)
	switch {
	case f.width < 1 || f.height < 1:
		return nil, codec.Fail(codec.StatusCorrupt, "size of %dx%d", f.width, f.height)
	case f.depth != 1 && f.depth != 4 && f.depth != 8 && f.depth != 24 && f.depth != 32, f.kind > 5:
		return nil, codec.Fail(codec.StatusUnsupported, "Sun raster of kind %d with %d bits a pixel", f.kind, f.depth)
	case mapBytes > 0 && (mapKind != 1 || mapBytes > 1024):
		return nil, codec.Fail(codec.StatusUnsupported, "Sun raster with a colour map of kind %d and %d bytes", mapKind, mapBytes)
	case headerBytes+mapBytes > len(src):
		return nil, codec.Fail(codec.StatusTruncated, "ends within the palette")
	}
	if fail := bounds.CheckSize(f.width, f.height); fail != nil {
		return nil, fail
	}
	if n := mapBytes / 3; n > 0 && f.depth > 1 {
		f.mapped = true
		colours := src[headerBytes:]
		for i := range min(n, len(f.palette)) {
			f.palette[i] = [3]uint8{colours[i], colours[n+i], colours[2*n+i]}
		}
	}
	f.data = src[headerBytes+mapBytes:]
	least := int64(f.stride()) * int64(f.height)
	if f.kind == kindRuns {
		least = least * 3 / 256
	}
	if int64(len(f.data)) < least {
		return nil, short()
	}
	return f, nil
}

func short() *codec.Failure {
	return codec.Fail(codec.StatusTruncated, "fewer pixels than the header says")
}

// stride returns the bytes of a row, which is a multiple of two.
func (f *file) stride() int { return (f.width*f.depth + 15) / 16 * 2 }

func decode(src []byte, bounds codec.Bounds, to codec.Canvas) *codec.Failure {
	f, fail := read(src, bounds)
	if fail != nil {
		return fail
	}
	px := to.Prepare(f.width, f.height, 1, nil)
	stride := f.stride()
	if f.kind != kindRuns {
		for y := range f.height {
			f.unpack(px.Row(y), f.data[y*stride:][:stride])
		}
		return nil
	}
	line, r := make([]uint8, stride), runs{src: f.data}
	for y := range f.height {
		if !r.read(line) {
			return short()
		}
		f.unpack(px.Row(y), line)
	}
	return nil
}

// unpack writes the pixels of a row.
func (f *file) unpack(row, line []uint8) {
	for x := range f.width {
		switch {
		case f.depth >= 24:
			b := line[x*f.depth/8:][:3]
			if f.kind == kindRGB {
				codec.Set(row, x, b[0], b[1], b[2])
			} else {
				codec.Set(row, x, b[2], b[1], b[0])
			}
		case f.mapped:
			c := f.palette[codec.Packed(line, x, f.depth)]
			codec.Set(row, x, c[0], c[1], c[2])
		case f.depth == 1: // a bit that is set is black
			v := codec.Packed(line, x, 1) - 1
			codec.Set(row, x, v, v, v)
		default:
			v := codec.Packed(line, x, f.depth) * uint8(255/(1<<f.depth-1))
			codec.Set(row, x, v, v, v)
		}
	}
}

// runs decodes run lengths, which may continue in the next row.
type runs struct {
	src   []byte
	left  int // bytes of the current run
	value uint8
}

// read fills line, and reports whether the data are enough.
func (r *runs) read(line []uint8) bool {
	const escape = 0x80
	for i := range line {
		if r.left == 0 {
			switch {
			case len(r.src) > 0 && r.src[0] != escape:
				r.value, r.left, r.src = r.src[0], 1, r.src[1:]
			case len(r.src) > 1 && r.src[1] == 0:
				r.value, r.left, r.src = escape, 1, r.src[2:]
			case len(r.src) > 2:
				r.value, r.left, r.src = r.src[2], int(r.src[1])+1, r.src[3:]
			default:
				return false
			}
		}
		line[i] = r.value
		r.left--
	}
	return true
}

// need is codec.Decoder's Need: a row.
func need(src []byte, bounds codec.Bounds) codec.Need {
	f, fail := read(src, bounds)
	if fail != nil {
		return codec.Need{}
	}
	return codec.Need{Width: f.width, Height: f.height, Bytes: int64(f.stride())}
}
