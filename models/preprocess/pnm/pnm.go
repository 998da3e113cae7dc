// Package pnm decodes the formats of netpbm: PBM, PGM and PPM, plain and raw, PAM, and PFM of
// floating-point numbers.
package pnm

import (
	"bytes"
	"encoding/binary"
	"math"

	"github.com/batchscore/batchscore/models/preprocess/codec"
)

// The entries of the table of formats.
var (
	PBM = codec.Format{Name: "PBM", Extensions: "pbm", Signatures: []string{"P1", "P4"}, Match: match, New: codec.Stateless(decode, need)}
	PGM = codec.Format{Name: "PGM", Extensions: "pgm", Signatures: []string{"P2", "P5"}, Match: match, New: codec.Stateless(decode, need)}
	PPM = codec.Format{Name: "PPM", Extensions: "ppm pnm", Signatures: []string{"P3", "P6"}, Match: match, New: codec.Stateless(decode, need)}
	PAM = codec.Format{
		Name: "PAM", Extensions: "pam",
		Signatures: []string{"P7\nWIDTH ", "P7\nHEIGHT ", "P7\nDEPTH ", "P7\nMAXVAL ", "P7\nTUPLTYPE ", "P7\n#"},
		New:        codec.Stateless(decode, need),
	}
	PFM = codec.Format{Name: "PFM", Extensions: "pfm", Signatures: []string{"PF", "Pf"}, Match: match, New: codec.Stateless(decode, need)}
)

// match reports whether the letter and digit of a netpbm format are followed by white space
// and a number, or by a comment.
func match(src []byte) bool {
	rest := bytes.TrimLeft(src[2:min(len(src), 64)], " \t\r\n")
	return len(rest) > 0 && len(rest) < len(src)-2 && (rest[0] == '#' || rest[0] >= '0' && rest[0] <= '9')
}

// A file is what the header of a file says, and what follows it.
type file struct {
	kind          byte // the second letter
	width, height int
	samples       int // of a pixel
	most          int // the value that is white; 0 for floating-point numbers
	order         binary.ByteOrder
	alpha         bool // is wanted
	data          []byte
}

// read reads the header of a file of any kind.
func read(src []byte, bounds codec.Bounds) (*file, *codec.Failure) {
	f := &file{kind: src[1], samples: 1, most: 1, order: binary.BigEndian}
	t := &tokens{src: src[2:]}
	var fail *codec.Failure
	if f.kind == '7' {
		fail = f.attributes(t)
	} else {
		fail = f.numbers(t)
	}
	switch {
	case fail != nil:
		return nil, fail
	case f.width < 1 || f.height < 1:
		return nil, codec.Fail(codec.StatusCorrupt, "size of %dx%d", f.width, f.height)
	case f.most < 0 || f.most > math.MaxUint16:
		return nil, codec.Fail(codec.StatusCorrupt, "a largest value of %d", f.most)
	}
	f.data = t.src
	return f, bounds.CheckSize(f.width, f.height)
}

// numbers reads the header of a file that is not a PAM.
func (f *file) numbers(t *tokens) (fail *codec.Failure) {
	if f.width, fail = t.number(); fail != nil {
		return fail
	}
	if f.height, fail = t.number(); fail != nil {
		return fail
	}
	switch f.kind {
	case '1', '4':
		return nil
	case 'F', 'f':
		return f.scale(t)
	}
	if f.most, fail = t.number(); fail == nil && f.most == 0 {
		fail = codec.Fail(codec.StatusCorrupt, "a largest value of 0")
	}
	if f.kind == '3' || f.kind == '6' {
		f.samples = 3
	}
	return fail
}

// scale reads the scale of a PFM, whose sign is the order of bytes.
func (f *file) scale(t *tokens) *codec.Failure {
	word := t.next()
	switch {
	case len(word) == 0:
		return errHeader()
	case word[0] == '-':
		f.order = binary.LittleEndian
	}
	if f.most = 0; f.kind == 'F' {
		f.samples = 3
	}
	return nil
}

// attributes reads the header of a PAM.
func (f *file) attributes(t *tokens) *codec.Failure {
	f.samples, f.most = 0, 0
	for {
		end := bytes.IndexByte(t.src, '\n')
		if end < 0 {
			return errHeader()
		}
		key, value, _ := bytes.Cut(bytes.TrimSpace(t.src[:end]), []byte(" "))
		t.src = t.src[end+1:]
		var to *int
		switch string(key) {
		case "WIDTH":
			to = &f.width
		case "HEIGHT":
			to = &f.height
		case "DEPTH":
			to = &f.samples
		case "MAXVAL":
			to = &f.most
		case "ENDHDR":
			switch {
			case f.samples < 1 || f.samples > 4:
				return codec.Fail(codec.StatusUnsupported, "PAM of %d samples a pixel", f.samples)
			case f.most == 0:
				return codec.Fail(codec.StatusCorrupt, "a largest value of 0")
			}
			return nil
		default: // the kind of samples, which their number tells, or a comment
			continue
		}
		var fail *codec.Failure
		if *to, fail = (&tokens{src: value}).number(); fail != nil {
			return fail
		}
	}
}

// sampleBytes returns the bytes of a sample of a raw file.
func (f *file) sampleBytes() int {
	switch {
	case f.most == 0:
		return 4
	case f.most > 255:
		return 2
	}
	return 1
}

// stride returns the bytes of a row of a raw file.
func (f *file) stride() int {
	if f.kind == '4' {
		return (f.width + 7) / 8
	}
	return f.width * f.samples * f.sampleBytes()
}

// plain reports whether the samples are numbers in text.
func (f *file) plain() bool { return f.kind >= '1' && f.kind <= '3' }

// check returns the Failure of a file that is too short.
func (f *file) check() *codec.Failure {
	least := int64(f.stride()) * int64(f.height)
	if f.plain() { // each sample has a digit
		least = int64(f.width) * int64(f.height) * int64(f.samples)
	}
	if int64(len(f.data)) < least {
		return codec.Fail(codec.StatusTruncated, "fewer pixels than the header says")
	}
	return nil
}

// scaled returns the 8 bits of each value that a sample has. A sample of a colour is rounded. Grey
// of more than 8 bits keeps its upper 8 bits of 16.
func (f *file) scaled() []uint8 {
	table := make([]uint8, 256)
	if f.most > 255 {
		table = make([]uint8, 1<<16)
	}
	for v := range table {
		share := float64(v) / float64(f.most)
		if f.most > 255 && f.samples < 3 {
			table[v] = uint8(int(min(math.RoundToEven(share*65535), 65535)) >> 8)
		} else {
			table[v] = uint8(min(math.RoundToEven(share*255), 255))
		}
	}
	return table
}

func decode(src []byte, bounds codec.Bounds, to codec.Canvas) *codec.Failure {
	f, fail := read(src, bounds)
	if fail != nil {
		return fail
	}
	if fail := f.check(); fail != nil {
		return fail
	}
	px := to.Prepare(f.width, f.height, 1, nil)
	f.alpha = f.samples%2 == 0 && codec.Alpha(to)
	switch {
	case f.plain():
		return f.fromText(px)
	case f.kind == '4':
		f.fromBits(px)
	case f.most == 0:
		f.fromFloats(px)
	default:
		f.fromBytes(px)
	}
	return nil
}

// fromBits fills the pixels of a raw PBM, in which a bit that is set is black.
func (f *file) fromBits(px codec.Pixels) {
	stride := f.stride()
	var colours codec.Colours
	colours.Put(0, 255, 255, 255)
	for y := range f.height {
		colours.FillBits(px.Row(y), f.data[y*stride:], f.width)
	}
}

// fromBytes fills the pixels of samples of 8 or 16 bits.
func (f *file) fromBytes(px codec.Pixels) {
	stride, table := f.stride(), f.scaled()
	line := make([]uint8, f.width*f.samples)
	for y := range f.height {
		stored := f.data[y*stride:][:stride]
		if f.most > 255 {
			for i := range line {
				line[i] = table[binary.BigEndian.Uint16(stored[2*i:])]
			}
		} else if f.most == 255 {
			line = stored
		} else {
			for i, v := range stored {
				line[i] = table[v]
			}
		}
		f.put(px.Row(y), line)
	}
}

// put fills a row with samples of 8 bits. The last of two or four is alpha.
func (f *file) put(row, line []uint8) {
	if f.alpha {
		for x := range f.width {
			row[4*x+3] = line[(x+1)*f.samples-1]
		}
	}
	if f.samples < 3 {
		for x := range f.width {
			v := line[x*f.samples]
			codec.Set(row, x, v, v, v)
		}
		return
	}
	for x := range f.width {
		s := line[x*f.samples:][:3]
		codec.Set(row, x, s[0], s[1], s[2])
	}
}

// fromFloats fills the pixels of floating-point numbers, whose rows are stored from the last to
// the first. If none is above 1, they are 0 for black to 1 for white. Else they are 0 to 255.
func (f *file) fromFloats(px codec.Pixels) {
	stride := f.stride()
	largest := float32(0)
	for i := range f.height * f.width * f.samples {
		if v := math.Float32frombits(f.order.Uint32(f.data[4*i:])); v > largest {
			largest = v
		}
	}
	line := make([]uint8, f.width*f.samples)
	for y := range f.height {
		stored := f.data[y*stride:][:stride]
		for i := range line {
			v := math.Float32frombits(f.order.Uint32(stored[4*i:]))
			if largest <= 1 {
				v = float32(v*255) + 0.5 // rounded twice on every processor
			}
			switch {
			case v >= 255:
				line[i] = 255
			case v > 0:
				line[i] = uint8(v)
			default: // not a number, too
				line[i] = 0
			}
		}
		f.put(px.Row(f.height-1-y), line)
	}
}

// fromText fills the pixels of samples that are numbers in text.
func (f *file) fromText(px codec.Pixels) *codec.Failure {
	t, table := &tokens{src: f.data}, f.scaled()
	line := make([]uint8, f.width*f.samples)
	for y := range f.height {
		for i := range line {
			v, fail := 0, (*codec.Failure)(nil)
			if f.kind == '1' {
				v, fail = t.bit()
			} else {
				v, fail = t.number()
			}
			switch {
			case fail != nil && len(t.src) == 0:
				return codec.Fail(codec.StatusTruncated, "fewer pixels than the header says")
			case fail != nil:
				return fail
			case v > f.most:
				return codec.Fail(codec.StatusCorrupt, "a sample of %d, above %d", v, f.most)
			case f.kind == '1':
				v = 1 - v // a 1 is black
			}
			line[i] = table[v]
		}
		f.put(px.Row(y), line)
	}
	return nil
}

// need is codec.Decoder's Need: a row, and the table of values.
func need(src []byte, bounds codec.Bounds) codec.Need {
	f, fail := read(src, bounds)
	if fail != nil || f.check() != nil {
		return codec.Need{}
	}
	return codec.Need{Width: f.width, Height: f.height, Bytes: int64(f.width * f.samples)}
}
