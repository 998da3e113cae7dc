package dds

import "encoding/binary"

// A block is 4x4 pixels of red, green, blue and alpha.
type block [16][4]uint8

// of565 returns the colour of 16 bits.
func of565(v int) [4]uint8 {
	r, g, b := v>>11, v>>5&63, v&31
	return [4]uint8{uint8(r<<3 | r>>2), uint8(g<<2 | g>>4), uint8(b<<3 | b>>2), 255}
}

// bc1 decodes a block of BC1.
func bc1(to *block, src []byte) { colours(to, src, false) }

// bc2 decodes a block of BC2: 4 bits of alpha for each pixel, and the colours.
func bc2(to *block, src []byte) {
	colours(to, src[8:], true)
	alpha := binary.LittleEndian.Uint64(src)
	for i := range to {
		to[i][3] = uint8(alpha>>(4*i)&15) * 17
	}
}

// bc3 decodes a block of BC3: the alpha as the grey of BC4, and the colours.
func bc3(to *block, src []byte) {
	colours(to, src[8:], true)
	for i, v := range single(src, 0) {
		to[i][3] = v
	}
}

// colours decodes two colours, and for each pixel which of them, or of two between them, it has.
// Unless there are always four colours, the order of the two says that there are three and a transparent black.
func colours(to *block, src []byte, four bool) {
	first, second := int(binary.LittleEndian.Uint16(src)), int(binary.LittleEndian.Uint16(src[2:]))
	p := [4][4]uint8{of565(first), of565(second), {3: 255}}
	if first > second || four {
		p[3][3] = 255
	}
	for c := range 3 {
		a, b := int(p[0][c]), int(p[1][c])
		if first > second || four {
			p[2][c], p[3][c] = uint8((2*a+b)/3), uint8((a+2*b)/3)
		} else {
			p[2][c] = uint8((a + b) / 2)
		}
	}
	indices := binary.LittleEndian.Uint32(src[4:])
	for i := range to {
		to[i] = p[indices>>(2*i)&3]
	}
}

// single decodes a block of one channel, of values from which sign is subtracted.
func single(src []byte, sign uint8) (values [16]uint8) {
	a, b := int(src[0]+sign), int(src[1]+sign)
	v := [8]uint8{uint8(a), uint8(b)}
	if a > b {
		for i := 1; i < 7; i++ {
			v[i+1] = uint8(((7-i)*a + i*b) / 7)
		}
	} else {
		for i := 1; i < 5; i++ {
			v[i+1] = uint8(((5-i)*a + i*b) / 5)
		}
		v[7] = 255
	}
	indices := binary.LittleEndian.Uint64(src) >> 16
	for i := range values {
		values[i] = v[indices>>(3*i)&7]
	}
	return values
}

// bc4 decodes a block of grey.
func bc4(to *block, src []byte) {
	for i, v := range single(src, 0) {
		to[i] = [4]uint8{v, v, v}
	}
}

// bc5 decodes a block of red and green. sign is blue, too.
func bc5(to *block, src []byte, sign uint8) {
	red, green := single(src, sign), single(src[8:], sign)
	for i := range to {
		to[i] = [4]uint8{red[i], green[i], sign}
	}
}
