// Package sgi decodes the image files of Silicon Graphics.
package sgi

import (
	"encoding/binary"

	"github.com/batchscore/batchscore/models/preprocess/codec"
)

// Format is SGI's entry in the table of formats.
var Format = codec.Format{
	Name: "SGI", Extensions: "sgi rgb rgba bw", Signatures: []string{"\x01\xda"}, Match: match,
	New: codec.Stateless(decode, need),
}

func match(src []byte) bool {
	if len(src) < 12 {
		return false
	}
	dimensions := binary.BigEndian.Uint16(src[4:])
	return src[2] <= 1 && (src[3] == 1 || src[3] == 2) && dimensions >= 1 && dimensions <= 3
}

const headerBytes = 512

// A file is what the header says.
type file struct {
	width, height, planes int
	bytes                 int // of a sample
	runs                  bool
	src                   []byte
}

func read(src []byte, bounds codec.Bounds) (*file, *codec.Failure) {
	if len(src) < headerBytes {
		return nil, codec.Fail(codec.StatusTruncated, "ends within the header")
	}
	at := func(i int) int { return int(binary.BigEndian.Uint16(src[i:])) }
	f := &file{width: at(6), height: at(8), planes: at(10), bytes: int(src[3]), runs: src[2] == 1, src: src}
	dimensions := at(4)
	switch {
	case dimensions < 3 && f.planes != 1, dimensions == 3 && f.planes != 3 && f.planes != 4:
		return nil, codec.Fail(codec.StatusUnsupported, "SGI of %d dimensions with %d planes", dimensions, f.planes)
	case f.width < 1 || f.height < 1:
		return nil, codec.Fail(codec.StatusCorrupt, "no pixels")
	}
	if fail := bounds.CheckSize(f.width, f.height); fail != nil {
		return nil, fail
	}
	least := int64(f.width*f.planes*f.bytes) * int64(f.height)
	if f.runs { // two tables
		least = 8 * int64(f.planes) * int64(f.height)
	}
	if int64(len(src)) < headerBytes+least {
		return nil, codec.Fail(codec.StatusTruncated, "fewer pixels than the header says")
	}
	return f, nil
}

func decode(src []byte, bounds codec.Bounds, to codec.Canvas) *codec.Failure {
	f, fail := read(src, bounds)
	if fail != nil {
		return fail
	}
	px := to.Prepare(f.width, f.height, 1, nil)
	for y := range f.height {
		row := px.Row(f.height - 1 - y)
		for p := range min(f.planes, 3) {
			if fail := f.plane(row[p:], y, p); fail != nil {
				return fail
			}
		}
		if f.planes == 1 {
			for x := 0; x < len(row); x += 4 {
				row[x+1], row[x+2] = row[x], row[x]
			}
		}
	}
	return nil
}

// plane writes the samples of a plane of a row to every fourth byte of to.
func (f *file) plane(to []uint8, y, p int) *codec.Failure {
	if !f.runs {
		stride := f.width * f.bytes
		line := f.src[headerBytes+(p*f.height+y)*stride:][:stride]
		for x := range f.width {
			to[4*x] = line[x*f.bytes]
		}
		return nil
	}
	starts := f.src[headerBytes:]
	i := p*f.height + y
	at := int64(binary.BigEndian.Uint32(starts[4*i:]))
	n := int64(binary.BigEndian.Uint32(starts[4*(f.planes*f.height+i):]))
	if at+n > int64(len(f.src)) {
		return codec.Fail(codec.StatusTruncated, "ends within row %d", y)
	}
	src, x := f.src[at:at+n], 0
	for x < f.width {
		if len(src) < f.bytes {
			return codec.Fail(codec.StatusCorrupt, "row %d: fewer pixels than the header says", y)
		}
		code := src[f.bytes-1] // the lower byte
		src = src[f.bytes:]
		n := int(code & 127)
		values := n
		if code < 128 {
			values = 1
		}
		if n == 0 || n > f.width-x || len(src) < values*f.bytes {
			return codec.Fail(codec.StatusCorrupt, "row %d: a run of %d pixels", y, n)
		}
		for k := range n {
			to[4*x] = src[min(k, values-1)*f.bytes]
			x++
		}
		src = src[values*f.bytes:]
	}
	return nil
}

// need is codec.Decoder's Need: samples are unpacked straight to the canvas.
func need(src []byte, bounds codec.Bounds) codec.Need {
	f, fail := read(src, bounds)
	if fail != nil {
		return codec.Need{}
	}
	return codec.Need{Width: f.width, Height: f.height}
}
