package webp

import (
	"fmt"
	"image"

	"github.com/batchscore/batchscore/models/preprocess/codec"
)

// fill writes row y of img, as x/image/webp decodes it. Alpha is not blended: a
// transparent pixel keeps the colour that is stored for it.
func (d *decoder) fill(row []uint8, img image.Image, y int) {
	switch m := img.(type) {
	case *image.YCbCr:
		d.fillYCbCr(row, m, y)
	case *image.NYCbCrA:
		d.fillYCbCr(row, &m.YCbCr, y)
		for x, a := range m.A[y*m.AStride:][:len(row)/4] {
			row[4*x+3] = a
		}
	case *image.NRGBA:
		copy(row, m.Pix[y*m.Stride:])
	default:
		panic(fmt.Sprintf("pixels in a %T", img))
	}
}

// fillYCbCr converts row y of m to RGBX with the chroma upsampling and the rounding of
// libwebp, which image/color does not have.
func (d *decoder) fillYCbCr(row []uint8, m *image.YCbCr, y int) {
	w, h := m.Rect.Dx(), m.Rect.Dy()
	u, v := d.chroma.Of(w)
	upsample(u, m.Cb, m.CStride, w, h, y)
	upsample(v, m.Cr, m.CStride, w, h, y)
	for x, luma := range m.Y[y*m.YStride:][:w] {
		r, g, b := rgb(int(luma), int(u[x]), int(v[x]))
		codec.Set(row, x, r, g, b)
	}
}

// rgb converts a pixel as libwebp's dsp/yuv.h does: BT.601 of limited range.
func rgb(y, u, v int) (r, g, b uint8) {
	hi := func(v, coeff int) int { return v * coeff >> 8 }
	return codec.Clamp((hi(y, 19077) + hi(v, 26149) - 14234) >> 6),
		codec.Clamp((hi(y, 19077) - hi(u, 6419) - hi(v, 13320) + 8708) >> 6),
		codec.Clamp((hi(y, 19077) + hi(u, 33050) - 17685) >> 6)
}

// upsample makes row y of a chroma plane as wide as the luma, as libwebp's fancy upsampling
// of 4:2:0 does.
func upsample(dst, plane []uint8, stride, w, h, y int) {
	cw, ch := (w+1)/2, (h+1)/2
	cy := y / 2
	fy := min(max(cy+2*(y%2)-1, 0), ch-1)
	near, far := plane[cy*stride:][:cw], plane[fy*stride:][:cw]
	for x := range dst {
		c := x / 2
		side := c + 2*(x%2) - 1
		n, v := int(near[c]), int(far[c])
		if side < 0 || side >= cw {
			dst[x] = uint8((3*n + v + 2) >> 2)
			continue
		}
		s, diagonal := int(near[side]), int(far[side])
		dst[x] = uint8(((n+3*s+3*v+diagonal+8)>>3 + n) >> 1)
	}
}
