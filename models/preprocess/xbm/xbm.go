// Package xbm decodes XBM, a bitmap as the source of a C program.
package xbm

import (
	"bytes"
	"strconv"

	"github.com/batchscore/batchscore/models/preprocess/codec"
)

// Format is XBM's entry in the table of formats. Bits that are set are white, as in Pillow.
var Format = codec.Format{
	Name: "XBM", Extensions: "xbm", Signatures: []string{"#define", "\n#define", "/*"}, Match: match,
	New: codec.Stateless(decode, need),
}

const headBytes = 4096 // within which the header ends

// match reports whether a definition of a width and an array of bits begin within the header.
func match(src []byte) bool {
	head := src[:min(len(src), headBytes)]
	return bytes.Contains(head, []byte("_width")) && bytes.Contains(head, []byte("_height"))
}

// A file is what the definitions say, and what follows the brace.
type file struct {
	width, height int
	data          []byte
}

func read(src []byte, bounds codec.Bounds) (*file, *codec.Failure) {
	f := &file{}
	open := bytes.IndexByte(src[:min(len(src), headBytes)], '{')
	if open < 0 {
		return nil, codec.Fail(codec.StatusTruncated, "ends within the header")
	}
	for line := range bytes.Lines(src[:open]) {
		words := bytes.Fields(line)
		if len(words) < 3 || string(words[0]) != "#define" {
			continue
		}
		value, err := strconv.Atoi(string(words[2]))
		switch name := words[1]; {
		case err != nil:
		case bytes.HasSuffix(name, []byte("width")):
			f.width = value
		case bytes.HasSuffix(name, []byte("height")):
			f.height = value
		}
	}
	if f.width < 1 || f.height < 1 {
		return nil, codec.Fail(codec.StatusCorrupt, "size of %dx%d", f.width, f.height)
	}
	if fail := bounds.CheckSize(f.width, f.height); fail != nil {
		return nil, fail
	}
	if f.data = src[open+1:]; int64(len(f.data)) < int64((f.width+7)/8)*int64(f.height)*4 { // such as 0x00
		return nil, short()
	}
	return f, nil
}

func short() *codec.Failure {
	return codec.Fail(codec.StatusTruncated, "fewer pixels than the header says")
}

func decode(src []byte, bounds codec.Bounds, to codec.Canvas) *codec.Failure {
	f, fail := read(src, bounds)
	if fail != nil {
		return fail
	}
	px := to.Prepare(f.width, f.height, 1, nil)
	for y := range f.height {
		row := px.Row(y)
		for x := 0; x < f.width; x += 8 {
			i := bytes.IndexAny(f.data, "xX")
			if i < 0 || i+2 >= len(f.data) {
				return short()
			}
			high, low := digit(f.data[i+1]), digit(f.data[i+2])
			if high > 15 || low > 15 {
				return codec.Fail(codec.StatusCorrupt, "%q where two hexadecimal digits are expected", f.data[i+1:i+3])
			}
			f.data = f.data[i+3:]
			for k := range min(8, f.width-x) {
				v := -((high<<4 | low) >> k & 1)
				codec.Set(row, x+k, v, v, v)
			}
		}
	}
	return nil
}

// digit returns the value of a hexadecimal digit, or more than 15.
func digit(b byte) uint8 {
	switch {
	case b >= '0' && b <= '9':
		return b - '0'
	case b|0x20 >= 'a' && b|0x20 <= 'f':
		return b | 0x20 - 'a' + 10
	}
	return 255
}

// need is codec.Decoder's Need: bits are unpacked straight to the canvas.
func need(src []byte, bounds codec.Bounds) codec.Need {
	f, fail := read(src, bounds)
	if fail != nil {
		return codec.Need{}
	}
	return codec.Need{Width: f.width, Height: f.height}
}
