// Package xpm decodes XPM, a picture as the source of a C program.
package xpm

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/batchscore/batchscore/models/preprocess/codec"
)

// Format is XPM's entry in the table of formats.
var Format = codec.Format{Name: "XPM", Extensions: "xpm", Signatures: []string{"/* XPM */", "! XPM"}, New: codec.Stateless(decode, need)}

// A file is what the first text says, and the lines after it.
type file struct {
	width, height int
	colours       int
	letters       int // of a pixel
	lines         []byte
}

// next returns what is between the first and the last quotation mark of the next line that has two.
func (f *file) next() ([]byte, bool) {
	for len(f.lines) > 0 {
		line, rest, _ := bytes.Cut(f.lines, []byte("\n"))
		f.lines = rest
		if a, b := bytes.IndexByte(line, '"'), bytes.LastIndexByte(line, '"'); a < b {
			return line[a+1 : b], true
		}
	}
	return nil, false
}

func read(src []byte, bounds codec.Bounds) (*file, *codec.Failure) {
	const mostLetters = 8
	f := &file{lines: src}
	head, ok := f.next()
	words := bytes.Fields(head)
	if !ok || len(words) < 4 {
		return nil, codec.Fail(codec.StatusTruncated, "no size")
	}
	for i, to := range []*int{&f.width, &f.height, &f.colours, &f.letters} {
		n, err := strconv.ParseUint(string(words[i]), 10, 31)
		if err != nil || n == 0 {
			return nil, codec.Fail(codec.StatusCorrupt, "%q where the size is expected", head)
		}
		*to = int(n)
	}
	if fail := bounds.CheckSize(f.width, f.height); fail != nil {
		return nil, fail
	}
	switch {
	case f.letters > mostLetters:
		return nil, codec.Fail(codec.StatusUnsupported, "XPM with %d letters a pixel", f.letters)
	case int64(f.colours)*int64(f.letters)+int64(f.width)*int64(f.height)*int64(f.letters) > int64(len(f.lines)):
		return nil, short()
	}
	return f, nil
}

func short() *codec.Failure {
	return codec.Fail(codec.StatusTruncated, "fewer pixels than the header says")
}

// key returns the letters of a pixel as a number.
func key(letters []byte) (k uint64) {
	for _, b := range letters {
		k = k<<8 | uint64(b)
	}
	return k
}

// palette reads the colours.
func (f *file) palette() (map[uint64][3]uint8, *codec.Failure) {
	colours := make(map[uint64][3]uint8, f.colours)
	for range f.colours {
		text, ok := f.next()
		if !ok || len(text) < f.letters {
			return nil, codec.Fail(codec.StatusTruncated, "ends within the colours")
		}
		c, fail := colour(string(text[f.letters:]))
		if fail != nil {
			return nil, fail
		}
		colours[key(text[:f.letters])] = c
	}
	return colours, nil
}

// colour returns the colour of pairs of a kind of display and a name: that for a display in
// colour.
func colour(text string) ([3]uint8, *codec.Failure) {
	words := strings.Fields(text)
	for i := 0; i+1 < len(words); i++ {
		if words[i] != "c" {
			continue
		}
		name := strings.ToLower(words[i+1])
		if c, ok := named[name]; ok {
			return c, nil
		}
		if c, ok := digits(name); ok {
			return c, nil
		}
		return [3]uint8{}, codec.Fail(codec.StatusUnsupported, "XPM with the colour %q", words[i+1])
	}
	return [3]uint8{}, codec.Fail(codec.StatusUnsupported, "XPM without a colour in %q", text)
}

// named are the names of colours that are decoded. What is transparent is black.
var named = map[string][3]uint8{
	"none": {}, "black": {}, "white": {255, 255, 255}, "red": {255, 0, 0}, "green": {0, 255, 0}, "blue": {0, 0, 255},
	"yellow": {255, 255, 0}, "cyan": {0, 255, 255}, "magenta": {255, 0, 255}, "gray": {190, 190, 190}, "grey": {190, 190, 190},
}

// digits returns the colour of hexadecimal digits, 1 to 4 for each of red, green and blue.
func digits(name string) (c [3]uint8, ok bool) {
	hex, ok := strings.CutPrefix(name, "#")
	n := len(hex) / 3
	if !ok || len(hex)%3 != 0 || n < 1 || n > 4 {
		return c, false
	}
	for i := range c {
		v, err := strconv.ParseUint(hex[i*n:(i+1)*n], 16, 16)
		if err != nil {
			return c, false
		}
		if n == 1 {
			v *= 17
		} else {
			v >>= 4 * (n - 2)
		}
		c[i] = uint8(v)
	}
	return c, true
}

func decode(src []byte, bounds codec.Bounds, to codec.Canvas) *codec.Failure {
	f, fail := read(src, bounds)
	if fail != nil {
		return fail
	}
	colours, fail := f.palette()
	if fail != nil {
		return fail
	}
	px := to.Prepare(f.width, f.height, 1, nil)
	var text []byte
	for y := range f.height {
		row := px.Row(y)
		for x := range f.width {
			if len(text) == 0 {
				var ok bool
				if text, ok = f.next(); !ok {
					return short()
				}
			}
			if len(text) < f.letters {
				return codec.Fail(codec.StatusCorrupt, "row %d: a part of a pixel", y)
			}
			c, ok := colours[key(text[:f.letters])]
			if !ok {
				return codec.Fail(codec.StatusCorrupt, "row %d: %q is not a colour", y, text[:f.letters])
			}
			codec.Set(row, x, c[0], c[1], c[2])
			text = text[f.letters:]
		}
	}
	return nil
}

// need is codec.Decoder's Need: the table of colours.
func need(src []byte, bounds codec.Bounds) codec.Need {
	const entry = 48
	f, fail := read(src, bounds)
	if fail != nil {
		return codec.Need{}
	}
	return codec.Need{Width: f.width, Height: f.height, Bytes: int64(f.colours) * entry}
}
