package preprocess

import (
	"bytes"
	"image"
)

// plainCMYK returns the JPEG of four components src declared as plain CMYK,
// inverted as Adobe's, and how to mend what image/jpeg then makes of it. Without
// an Adobe segment image/jpeg would refuse the image, which every other decoder
// takes for just that; and of YCCK it would replicate the chroma.
func plainCMYK(src []byte, h jpegHeader) ([]byte, func(image.Image) image.Image) {
	if h.transform == 0 {
		const soi = 2
		return append(append(bytes.Clone(src[:soi]), "\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00\x00"...), src[soi:]...), nil
	}
	if src[h.transform] == 0 {
		return src, nil
	}
	plain := bytes.Clone(src)
	plain[h.transform] = 0
	return plain, func(img image.Image) image.Image {
		if m, ok := img.(*image.CMYK); ok {
			fromYCCK(m, h.subsampled)
		}
		return img
	}
}

// fromYCCK converts, in place, the inverted planes of a YCCK JPEG to CMYK.
func fromYCCK(m *image.CMYK, subsampled bool) {
	w, h := m.Rect.Dx(), m.Rect.Dy()
	ratio, step := image.YCbCrSubsampleRatio444, 1
	if subsampled {
		ratio, step = image.YCbCrSubsampleRatio420, 2
	}
	cw, ch := (w+step-1)/step, (h+step-1)/step
	plane := func(c int) []uint8 {
		p := make([]uint8, cw*ch)
		for y := range ch {
			for x := range cw {
				p[y*cw+x] = 255 - m.Pix[y*step*m.Stride+x*step*4+c]
			}
		}
		return p
	}
	cb, cr := plane(1), plane(2)
	cbRow, crRow := make([]uint8, w), make([]uint8, w)
	for y := range h {
		upsampleJPEG(cbRow, cb, cw, ratio, w, h, y)
		upsampleJPEG(crRow, cr, cw, ratio, w, h, y)
		row := m.Pix[y*m.Stride:]
		for x := range w {
			p := row[4*x:][:4]
			p[0], p[1], p[2] = jpegRGB(255-int(p[0]), int(cbRow[x])-128, int(crRow[x])-128)
		}
	}
}
