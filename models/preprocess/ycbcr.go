package preprocess

import "image"

// fillYCbCr converts row y of m to RGBX with the chroma upsampling and the
// rounding of the format's reference decoder: libjpeg's for JPEG, libwebp's
// for WebP. What image/color does for the same pixels is neither.
func (d *Decoder) fillYCbCr(row []uint8, m *image.YCbCr, y int, f format) {
	w, h := m.Rect.Dx(), m.Rect.Dy()
	for i := range d.chroma {
		if cap(d.chroma[i]) < w {
			d.chroma[i] = make([]uint8, w)
		}
		d.chroma[i] = d.chroma[i][:w]
	}
	cb, cr := d.chroma[0], d.chroma[1]
	luma := m.Y[y*m.YStride:][:w]
	if f == formatWebP {
		upsampleWebP(cb, m.Cb, m.CStride, w, h, y)
		upsampleWebP(cr, m.Cr, m.CStride, w, h, y)
		for x, v := range luma {
			r, g, b := webpRGB(int(v), int(cb[x]), int(cr[x]))
			set(row, x, r, g, b)
		}
		return
	}
	upsampleJPEG(cb, m.Cb, m.CStride, m.SubsampleRatio, w, h, y)
	upsampleJPEG(cr, m.Cr, m.CStride, m.SubsampleRatio, w, h, y)
	for x, v := range luma {
		r, g, b := jpegRGB(int(v), int(cb[x])-128, int(cr[x])-128)
		set(row, x, r, g, b)
	}
}

// jpegRGB is libjpeg's jdcolor.c, 16 fraction bits.
func jpegRGB(y, cb, cr int) (r, g, b uint8) {
	const half = 1 << 15
	return clamp8(y + (91881*cr+half)>>16),
		clamp8(y + (-22554*cb-46802*cr+half)>>16),
		clamp8(y + (116130*cb+half)>>16)
}

// webpRGB is libwebp's dsp/yuv.h: BT.601 of limited range.
func webpRGB(y, u, v int) (r, g, b uint8) {
	hi := func(v, coeff int) int { return v * coeff >> 8 }
	return clamp8((hi(y, 19077) + hi(v, 26149) - 14234) >> 6),
		clamp8((hi(y, 19077) - hi(u, 6419) - hi(v, 13320) + 8708) >> 6),
		clamp8((hi(y, 19077) + hi(u, 33050) - 17685) >> 6)
}

func clamp8(v int) uint8 { return uint8(min(max(v, 0), 255)) }

// upsampleJPEG makes row y of a chroma plane as wide as the luma, with the
// triangle filters of libjpeg's jdsample.c, which replicates for the ratios
// that it has no filter for.
func upsampleJPEG(dst, plane []uint8, stride int, ratio image.YCbCrSubsampleRatio, w, h, y int) {
	across, down := 1, 1
	switch ratio {
	case image.YCbCrSubsampleRatio422:
		across = 2
	case image.YCbCrSubsampleRatio420:
		across, down = 2, 2
	case image.YCbCrSubsampleRatio440:
		down = 2
	case image.YCbCrSubsampleRatio411:
		across = 4
	case image.YCbCrSubsampleRatio410:
		across, down = 4, 2
	}
	cw, ch := (w+across-1)/across, (h+down-1)/down
	cy := y / down
	near := plane[cy*stride:][:cw]
	if across == 4 || across == 2 && cw <= 2 {
		for x := range dst {
			dst[x] = near[x/across]
		}
		return
	}
	far := near
	if down == 2 {
		fy := min(max(cy+2*(y%2)-1, 0), ch-1)
		far = plane[fy*stride:][:cw]
	}
	switch {
	case across == 1 && down == 1:
		copy(dst, near)
	case across == 1:
		for x := range dst {
			dst[x] = uint8((3*int(near[x]) + int(far[x]) + 1 + y%2) >> 2)
		}
	case down == 1:
		for x := range dst {
			c := x / 2
			side := min(max(c+2*(x%2)-1, 0), cw-1)
			dst[x] = uint8((3*int(near[c]) + int(near[side]) + 1 + x%2) >> 2)
		}
	default:
		for x := range dst {
			c := x / 2
			side := min(max(c+2*(x%2)-1, 0), cw-1)
			sum, sideSum := 3*int(near[c])+int(far[c]), 3*int(near[side])+int(far[side])
			dst[x] = uint8((3*sum + sideSum + 8 - x%2) >> 4)
		}
	}
}

// upsampleWebP is libwebp's fancy upsampling of 4:2:0.
func upsampleWebP(dst, plane []uint8, stride, w, h, y int) {
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
