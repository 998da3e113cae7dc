package png

import (
	"bytes"

	"github.com/batchscore/batchscore/models/preprocess/codec"
)

// transparent reports whether pixels may be transparent.
func (p *file) transparent() bool {
	switch p.colour {
	case colourGreyAlpha, colourRGBA:
		return true
	case colourPalette:
		return len(p.clear) > 0
	case colourGrey:
		return len(p.clear) == 2
	}
	return len(p.clear) == 6
}

// unpackAlpha writes the alpha of w pixels of line to row. Of samples of 16 bits it is the upper 8.
func (p *file) unpackAlpha(row []uint8, line []byte, w int) {
	step, wide := p.bits()/8, int(p.depth)/8
	for x := range w {
		a := uint8(255)
		switch {
		case p.colour == colourGreyAlpha || p.colour == colourRGBA:
			a = line[(x+1)*step-wide]
		case p.colour == colourPalette:
			if i := int(codec.Packed(line, x, int(p.depth))); i < len(p.clear) {
				a = p.clear[i]
			}
		case p.colour == colourGrey && p.depth < 8:
			if codec.Packed(line, x, int(p.depth)) == p.clear[1]&(1<<p.depth-1) {
				a = 0
			}
		case p.isClear(line[x*step:][:step], wide):
			a = 0
		}
		row[4*x+3] = a
	}
}

// isClear reports whether a pixel has the transparent colour.
func (p *file) isClear(pixel []byte, wide int) bool {
	if wide == 2 {
		return bytes.Equal(pixel, p.clear)
	}
	for i, v := range pixel {
		if v != p.clear[2*i+1] {
			return false
		}
	}
	return true
}
