package tiff

import (
	"encoding/binary"
	"math"
	"sync"
)

// finisher returns the function that makes colours of a row of samples.
func (t *picture) finisher() func(row []uint8) {
	switch {
	case t.photometric == palette:
		var table [256][3]uint8
		colours := t.fields[tagColorMap]
		for i := range 1 << t.bits {
			for c := range 3 {
				table[i][c] = uint8(t.at(colours, c<<t.bits+i) >> 8)
			}
		}
		return func(row []uint8) {
			for x := 0; x < len(row); x += 4 {
				c := table[row[x]]
				row[x], row[x+1], row[x+2], row[x+3] = c[0], c[1], c[2], row[x+1]
			}
		}
	case t.photometric == cmyk:
		return fromCMYK
	case t.photometric == cieLab:
		return fromLab
	case t.photometric == yCbCr && t.inner == nil || t.photometric == yCbCr && t.planar:
		return t.chroma().convert
	case t.photometric == rgb && t.associated:
		return func(row []uint8) {
			for x := 0; x < len(row); x += 4 {
				for c := range 3 {
					row[x+c] = divideAlpha(row[x+c], row[x+3], 0)
				}
			}
		}
	case t.photometric == rgb || t.photometric == yCbCr:
		return func([]uint8) {}
	}
	flip := uint8(0)
	if t.photometric == whiteIsZero && t.kind == unsigned && t.bits <= 16 { // others have no black
		flip = 0xff
	}
	return func(row []uint8) {
		for x := 0; x < len(row); x += 4 {
			v, alpha := row[x]^flip, row[x+1]
			if t.associated {
				v = divideAlpha(v, alpha, v)
			}
			row[x], row[x+1], row[x+2], row[x+3] = v, v, v, alpha
		}
	}
}

// divideAlpha returns the colour that was multiplied by alpha, as Pillow does: rounded down,
// and white if it is more than alpha.
func divideAlpha(v, alpha, transparent uint8) uint8 {
	if alpha == 0 {
		return transparent
	}
	return uint8(min(int(v)*255/int(alpha), 255))
}

// fromCMYK rounds as Pillow does. It works on three samples at a time, each in 16 bits.
func fromCMYK(row []uint8) {
	const ones = 1 | 1<<16 | 1<<32
	for ; len(row) >= 4; row = row[4:] {
		p := binary.LittleEndian.Uint32(row)
		k := uint64(255 - p>>24)
		v := (uint64(p&0xff)|uint64(p&0xff00)<<8|uint64(p&0xff0000)<<16)*k + 128*ones
		v = (v>>8&(255*ones) + v) >> 8 & (255 * ones)
		v = k*ones - v
		binary.LittleEndian.PutUint32(row, uint32(v)&0xff|uint32(v>>8)&0xff00|uint32(v>>16)&0xff0000)
	}
}

// A chroma converts YCbCr to RGB as libtiff does, in integers of 16 binary places.
type chroma struct{ y, crRed, crGreen, cbGreen, cbBlue [256]int32 }

// chroma returns the tables for the picture's coefficients and its range of samples.
func (t *picture) chroma() *chroma {
	luma := t.numbers(tagYCbCrCoefficients, 0.299, 0.587, 0.114)
	limits := t.numbers(tagReferenceBlackWhite, 0, 255, 128, 255, 128, 255)
	if !(luma[1] != 0) {
		luma = []float32{0.299, 0.587, 0.114}
	}
	const one = 1 << 16
	factor := func(f float32) int32 { return int32(float64(float64(min(max(f, 0), 2))*one) + 0.5) }
	red, blue := 2-2*luma[0], 2-2*luma[2]
	toRed, toBlue := factor(red), factor(blue)
	crGreen, cbGreen := factor(luma[0]*red/luma[1]), factor(luma[2]*blue/luma[1])
	// within returns v on the scale on which black is 0 and white is most.
	within := func(v, black, white, most float32) int32 {
		if white == black {
			white = black + 1
		}
		scaled := float32((v-black)*most) / (white - black)
		return int32(min(max(scaled, -128*32), 128*32))
	}
	c := &chroma{}
	for i := range 256 {
		v := float32(i) - 128
		cr := within(v, limits[4]-128, limits[5]-128, 127)
		cb := within(v, limits[2]-128, limits[3]-128, 127)
		c.y[i] = within(float32(i), limits[0], limits[1], 255)
		c.crRed[i] = int32((int64(toRed)*int64(cr) + one/2) >> 16)
		c.cbBlue[i] = int32((int64(toBlue)*int64(cb) + one/2) >> 16)
		c.crGreen[i] = -crGreen * cr
		c.cbGreen[i] = -cbGreen*cb + one/2
	}
	return c
}

func (c *chroma) convert(row []uint8) {
	for ; len(row) >= 4; row = row[4:] {
		y, cb, cr := c.y[row[0]], row[1], row[2]
		row[0] = clamp(y + c.crRed[cr])
		row[1] = clamp(y + (c.cbGreen[cb]+c.crGreen[cr])>>16)
		row[2] = clamp(y + c.cbBlue[cb])
	}
}

func clamp(v int32) uint8 { return uint8(min(max(v, 0), 255)) }

// A labTable has what the colours of CIELab need: the two terms of the formula for XYZ, where
// each level of sRGB begins in linear light, and the level of each 4096th of it.
type labTable struct {
	l, a, b [256]float64
	begins  [257]float64
	first   [4097]uint8
}

var labTables = sync.OnceValue(func() *labTable {
	t := &labTable{}
	for i := range 256 {
		signed := float64(int8(i))
		t.l[i] = (float64(i)*100/255 + 16) / 116
		t.a[i], t.b[i] = signed/500, signed/200
		v := (float64(i) - 0.5) / 255
		if v <= 0.04045 {
			t.begins[i] = v / 12.92
		} else {
			t.begins[i] = math.Pow((v+0.055)/1.055, 2.4)
		}
	}
	t.begins[0], t.begins[256] = math.Inf(-1), math.Inf(1)
	for i, level := 0, 0; i < len(t.first); i++ {
		for float64(i)/4096 >= t.begins[level+1] {
			level++
		}
		t.first[i] = uint8(level)
	}
	return t
})

// fromLab converts CIELab of the white point D50 to sRGB.
func fromLab(row []uint8) {
	t := labTables()
	// The inverse of the formula's function, and of sRGB's primaries, adapted to D50.
	cube := func(f float64) float64 {
		if f > 24.0/116 {
			return f * f * f
		}
		return (f - 16.0/116) * (108.0 / 841)
	}
	level := func(v float64) uint8 {
		i := t.first[int(min(max(v, 0), 1)*4096)]
		for v >= t.begins[int(i)+1] {
			i++
		}
		return i
	}
	for ; len(row) >= 4; row = row[4:] {
		l := t.l[row[0]]
		x, y, z := cube(l+t.a[row[1]])*0.9642, cube(l), cube(l-t.b[row[2]])*0.8249
		row[0] = level(float64(3.1338561*x) - float64(1.6168667*y) - float64(0.4906146*z))
		row[1] = level(float64(-0.9787684*x) + float64(1.9161415*y) + float64(0.0334540*z))
		row[2] = level(float64(0.0719453*x) - float64(0.2289914*y) + float64(1.4052427*z))
	}
}
