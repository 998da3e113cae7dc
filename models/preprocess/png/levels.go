package png

import (
	"encoding/binary"

	"github.com/batchscore/batchscore/models/preprocess/codec"
)

// levelsOf returns the level of each value of 16 bits for a range of codec.Config, or nil.
func levelsOf(limits []float64) []uint8 {
	if len(limits) != 2 {
		return nil
	}
	levels := make([]uint8, 1<<16)
	for v := range levels {
		if level := (float64(v)-limits[0])*255/(limits[1]-limits[0]) + 0.5; level > 0 {
			levels[v] = uint8(min(level, 255))
		}
	}
	return levels
}

// unpackLevels is unpack for samples of 16 bits with levels.
func (p *file) unpackLevels(row, line []byte, w int) {
	step, second, third := p.bits()/8, 2, 4
	if p.colour == colourGrey || p.colour == colourGreyAlpha {
		second, third = 0, 0
	}
	for x := range w {
		q := line[x*step:]
		codec.Set(row, x, p.levels[binary.BigEndian.Uint16(q)], p.levels[binary.BigEndian.Uint16(q[second:])], p.levels[binary.BigEndian.Uint16(q[third:])])
	}
}

// canBeDark reports whether the pixels are the upper bits of samples of more bits.
func (p *file) canBeDark() bool { return p.depth == 16 && p.levels == nil }
