// Package qoi decodes QOI, the "Quite OK Image" format.
package qoi

import (
	"encoding/binary"

	"github.com/batchscore/batchscore/models/preprocess/codec"
)

// Format is QOI's entry in the table of formats.
var Format = codec.Format{Name: "QOI", Extensions: "qoi", Signatures: []string{"qoif"}, New: codec.Stateless(decode, need)}

const (
	header  = 14
	longest = 62 // pixels of a run, the most that a byte of the data can be
)

// read returns the size.
func read(src []byte, bounds codec.Bounds) (width, height int, fail *codec.Failure) {
	if len(src) < header {
		return 0, 0, codec.Fail(codec.StatusTruncated, "ends within the header")
	}
	width, height = int(binary.BigEndian.Uint32(src[4:])), int(binary.BigEndian.Uint32(src[8:]))
	if width < 1 || height < 1 {
		return 0, 0, codec.Fail(codec.StatusCorrupt, "size of %dx%d", width, height)
	}
	if fail := bounds.CheckSize(width, height); fail != nil {
		return 0, 0, fail
	}
	if int64(len(src)-header)*longest < int64(width)*int64(height) {
		return 0, 0, short()
	}
	return width, height, nil
}

func short() *codec.Failure {
	return codec.Fail(codec.StatusTruncated, "fewer pixels than the header says")
}

func need(src []byte, bounds codec.Bounds) codec.Need {
	width, height, _ := read(src, bounds)
	return codec.Need{Width: width, Height: height}
}

func decode(src []byte, bounds codec.Bounds, to codec.Canvas) *codec.Failure {
	width, height, fail := read(src, bounds)
	if fail != nil {
		return fail
	}
	px := to.Prepare(width, height, 1, nil)
	if src[12] == 4 {
		codec.Alpha(to) // which is always filled
	}
	d := decoder{src: src[header:], pixel: [4]uint8{0, 0, 0, 255}}
	for y := range height {
		row := px.Row(y)
		for x := 0; x < len(row); x += 4 {
			if d.run == 0 && !d.next() {
				return short()
			}
			d.run--
			copy(row[x:x+4], d.pixel[:])
		}
	}
	return nil
}

// decoder decodes the data.
type decoder struct {
	src   []byte
	pixel [4]uint8 // the last one: red, green, blue and alpha
	run   int      // how often it is still to be written
	seen  [64][4]uint8
}

// next decodes an operation: a pixel that is written once or several times.
func (d *decoder) next() bool {
	if len(d.src) == 0 {
		return false
	}
	op := d.src[0]
	size := 1
	switch {
	case op == 0xfe:
		size = 4
	case op == 0xff:
		size = 5
	case op>>6 == 2:
		size = 2
	}
	if len(d.src) < size {
		return false
	}
	b := d.src[:size]
	d.src, d.run = d.src[size:], 1
	p := &d.pixel
	switch {
	case size >= 4:
		copy(p[:], b[1:])
	case op>>6 == 0:
		*p = d.seen[op]
	case op>>6 == 1:
		p[0] += op>>4&3 - 2
		p[1] += op>>2&3 - 2
		p[2] += op&3 - 2
	case op>>6 == 2:
		green := op&63 - 32
		p[0] += green + b[1]>>4 - 8
		p[1] += green
		p[2] += green + b[1]&15 - 8
	default:
		d.run = int(op&63) + 1
		return true
	}
	d.seen[(int(p[0])*3+int(p[1])*5+int(p[2])*7+int(p[3])*11)%64] = *p
	return true
}
