package jpeg

import (
	"image"

	"github.com/batchscore/batchscore/models/preprocess/codec"
)

// mendCMYK upsamples, in place, the second and third component of a JPEG of four, which
// image/jpeg only replicates, and converts YCCK to CMYK.
func mendCMYK(m *image.CMYK, subsampled, ycck bool) {
	if !subsampled && !ycck {
		return
	}
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
		upsample(cbRow, cb, cw, ratio, w, h, y)
		upsample(crRow, cr, cw, ratio, w, h, y)
		row := m.Pix[y*m.Stride:]
		for x := range w {
			p := row[4*x:][:4]
			if ycck {
				p[0], p[1], p[2] = rgb(255-int(p[0]), int(cbRow[x])-128, int(crRow[x])-128)
			} else {
				p[1], p[2] = 255-cbRow[x], 255-crRow[x]
			}
		}
	}
}

// fromRGB converts a JPEG whose three components are red, green and blue. Raw ones are
// repeated where pixels share them.
func fromRGB(m *image.YCbCr, raw bool) *image.NRGBA {
	w, h := m.Rect.Dx(), m.Rect.Dy()
	img := image.NewNRGBA(image.Rect(0, 0, w, h))
	green, blue := make([]uint8, w), make([]uint8, w)
	for y := range h {
		if raw {
			repeat(green, m.Cb, m.CStride, m.SubsampleRatio, y)
			repeat(blue, m.Cr, m.CStride, m.SubsampleRatio, y)
		} else {
			upsample(green, m.Cb, m.CStride, m.SubsampleRatio, w, h, y)
			upsample(blue, m.Cr, m.CStride, m.SubsampleRatio, w, h, y)
		}
		row := img.Pix[y*img.Stride:]
		for x, red := range m.Y[y*m.YStride:][:w] {
			codec.Set(row, x, red, green[x], blue[x])
		}
	}
	return img
}
