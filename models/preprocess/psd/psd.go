// Package psd decodes the flattened picture of Photoshop's files, as PSD and PSB.
package psd

import (
	"encoding/binary"

	"github.com/batchscore/batchscore/models/preprocess/codec"
)

// Format is PSD's entry in the table of formats.
var Format = codec.Format{Name: "PSD", Extensions: "psd psb", Signatures: []string{"8BPS"}, New: codec.Stateless(decode, need)}

const headerBytes = 26

// Values of file.mode.
const (
	bitmap    = 0
	grey      = 1
	indexed   = 2
	rgb       = 3
	cmyk      = 4
	many      = 7 // channels
	duotone   = 8
	compactly = 1 // compression in run lengths
)

// A file is what the header says, the palette, and the flattened picture.
type file struct {
	width, height int
	channels      int // of all that are stored
	mode, depth   int
	large         bool // a PSB
	palette       [256][3]uint8
	compression   int
	data          []byte
}

func read(src []byte, bounds codec.Bounds) (*file, *codec.Failure) {
	cut := codec.Fail(codec.StatusTruncated, "ends before the flattened picture")
	if len(src) < headerBytes {
		return nil, cut
	}
	version := binary.BigEndian.Uint16(src[4:])
	f := &file{
		width: int(binary.BigEndian.Uint32(src[18:])), height: int(binary.BigEndian.Uint32(src[14:])), large: version == 2,
		channels: int(binary.BigEndian.Uint16(src[12:])), depth: int(binary.BigEndian.Uint16(src[22:])), mode: int(binary.BigEndian.Uint16(src[24:])),
	}
	switch {
	case version != 1 && version != 2:
		return nil, codec.Fail(codec.StatusUnsupported, "PSD of version %d", version)
	case f.width < 1 || f.height < 1:
		return nil, codec.Fail(codec.StatusCorrupt, "size of %dx%d", f.width, f.height)
	case f.used() == 0 || f.depth != 8 && !(f.depth == 1 && f.mode == bitmap) && !(f.depth == 16 && f.mode != indexed):
		return nil, codec.Fail(codec.StatusUnsupported, "PSD of colour mode %d with %d bits a sample", f.mode, f.depth)
	case f.used() > f.channels:
		return nil, codec.Fail(codec.StatusCorrupt, "%d channels of %d", f.channels, f.used())
	}
	if fail := bounds.CheckSize(f.width, f.height); fail != nil {
		return nil, fail
	}
	at := int64(headerBytes)
	for part := range 3 { // the palette, the resources and the layers
		size, wide := int64(0), int64(4)
		if part == 2 && f.large {
			wide = 8
		}
		if at+wide > int64(len(src)) {
			return nil, cut
		}
		if wide == 8 {
			size = int64(binary.BigEndian.Uint64(src[at:]) & (1<<62 - 1))
		} else {
			size = int64(binary.BigEndian.Uint32(src[at:]))
		}
		at += wide
		if size > int64(len(src))-at {
			return nil, cut
		}
		if part == 0 && f.mode == indexed {
			f.colours(src[at : at+size])
		}
		at += size
	}
	if at+2 > int64(len(src)) {
		return nil, cut
	}
	f.compression, f.data = int(binary.BigEndian.Uint16(src[at:])), src[at+2:]
	return f, f.check()
}

// check returns the Failure of a picture that is too short or in a form that is not decoded.
func (f *file) check() *codec.Failure {
	least := int64(0)
	switch rows := int64(f.height) * int64(f.channels); f.compression {
	case 0:
		least = int64(f.stride()) * int64(f.height) * int64(f.used())
	case compactly:
		least = rows * int64(f.countBytes())
	default:
		return codec.Fail(codec.StatusUnsupported, "PSD of compression %d", f.compression)
	}
	if int64(len(f.data)) < least {
		return short()
	}
	return nil
}

func short() *codec.Failure {
	return codec.Fail(codec.StatusTruncated, "fewer pixels than the header says")
}

// colours reads a palette: all reds, all greens, all blues.
func (f *file) colours(b []byte) {
	n := len(b) / 3
	for i := range min(n, len(f.palette)) {
		f.palette[i] = [3]uint8{b[i], b[n+i], b[2*n+i]}
	}
}

// used returns how many channels make the colours; 0 if the mode is not decoded.
func (f *file) used() int {
	switch f.mode {
	case bitmap, grey, indexed, many, duotone:
		return 1
	case rgb:
		return 3
	case cmyk:
		return 4
	}
	return 0
}

// stride returns the bytes of a row of a channel.
func (f *file) stride() int { return (f.width*f.depth + 7) / 8 }

// countBytes returns the bytes of the length of a row in run lengths.
func (f *file) countBytes() int {
	if f.large {
		return 4
	}
	return 2
}

func decode(src []byte, bounds codec.Bounds, to codec.Canvas) *codec.Failure {
	f, fail := read(src, bounds)
	if fail != nil {
		return fail
	}
	px := to.Prepare(f.width, f.height, 1, nil)
	rows := f.rows()
	line := make([]uint8, f.stride())
	channels := f.used()
	if (f.mode == rgb && f.channels == 4 || f.mode == grey && f.channels == 2) && codec.Alpha(to) {
		channels++
	}
	for c := range channels {
		for y := range f.height {
			stored, ok := rows.next(len(line))
			if !ok {
				return short()
			}
			if f.compression == compactly {
				if !unpack(line, stored) {
					return codec.Fail(codec.StatusCorrupt, "channel %d, row %d: not %d bytes", c, y, len(line))
				}
				stored = line
			}
			f.put(px.Row(y), stored, c)
		}
	}
	return nil
}

// put writes a row of channel c.
func (f *file) put(row []uint8, line []uint8, c int) {
	step := max(f.depth/8, 1)
	if c == f.used() { // alpha
		for x := range f.width {
			row[4*x+3] = line[x*step]
		}
		return
	}
	for x := range f.width {
		p := row[4*x:][:4]
		switch f.mode {
		case bitmap: // a bit that is set is black
			v := -(codec.Packed(line, x, f.depth) & 1)
			if f.depth == 1 {
				v = ^v
			} else {
				v = line[x*step]
			}
			p[0], p[1], p[2] = v, v, v
		case indexed:
			colour := f.palette[line[x]]
			copy(p, colour[:])
		case rgb:
			p[c] = line[x*step]
		case cmyk: // stored inverted
			v := line[x*step]
			if c < 3 {
				p[c] = v
				break
			}
			for i := range 3 {
				p[i] = multiply(p[i], v)
			}
		default:
			v := line[x*step]
			p[0], p[1], p[2] = v, v, v
		}
	}
}

// multiply returns what is left of a colour under black, as Pillow computes it: both are stored
// inverted.
func multiply(colour, black uint8) uint8 {
	ink := 255 - int(colour)
	t := ink*int(black) + 128
	return codec.Clamp(int(black) - (t>>8+t)>>8)
}

// rows are the rows of all channels, one after another.
type rows struct {
	lengths []byte // nil for those of one length
	bytes   int    // of a length
	data    []byte
}

func (f *file) rows() *rows {
	if f.compression == 0 {
		return &rows{data: f.data}
	}
	n := f.height * f.channels * f.countBytes()
	return &rows{lengths: f.data[:n], bytes: f.countBytes(), data: f.data[n:]}
}

// next returns the next row, of n bytes if rows are of one length.
func (r *rows) next(n int) ([]byte, bool) {
	switch r.bytes {
	case 2:
		n, r.lengths = int(binary.BigEndian.Uint16(r.lengths)), r.lengths[2:]
	case 4:
		n, r.lengths = int(binary.BigEndian.Uint32(r.lengths)), r.lengths[4:]
	}
	if n > len(r.data) {
		return nil, false
	}
	row := r.data[:n]
	r.data = r.data[n:]
	return row, true
}

// unpack decodes run lengths (PackBits), and reports whether they fill line.
func unpack(line, src []byte) bool {
	for len(line) > 0 {
		if len(src) < 2 {
			return false
		}
		n := int(int8(src[0]))
		src = src[1:]
		switch {
		case n == -128:
			continue
		case n < 0:
			n = min(1-n, len(line))
			for i := range n {
				line[i] = src[0]
			}
			src = src[1:]
		default:
			if n++; n > len(src) {
				return false
			}
			k := copy(line, src[:n])
			src = src[n:]
			n = k
		}
		line = line[n:]
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
