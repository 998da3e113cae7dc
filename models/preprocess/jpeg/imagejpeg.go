package jpeg

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"io"

	"github.com/batchscore/batchscore/models/preprocess/codec"
)

// goDecode decodes a JPEG that check wrote with image/jpeg.
func goDecode(src []byte) (image.Image, *codec.Failure) {
	img, err := jpeg.Decode(bytes.NewReader(src))
	if err == nil {
		return img, nil
	}
	f := &codec.Failure{Status: codec.StatusCorrupt, Reason: err.Error()}
	var unsupported jpeg.UnsupportedError
	switch {
	case errors.As(err, &unsupported):
		f.Status = codec.StatusUnsupported
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		f.Status = codec.StatusTruncated
	}
	return nil, f
}

// fill writes img, as image/jpeg decodes it, to px.
func (d *decoder) fill(px codec.Pixels, img image.Image) {
	for y := range px.Height {
		row := px.Row(y)
		switch m := img.(type) {
		case *image.YCbCr:
			d.fillYCbCr(row, m, y)
		case *image.Gray:
			for x, v := range m.Pix[y*m.Stride:][:px.Width] {
				codec.Set(row, x, v, v, v)
			}
		case *image.NRGBA:
			copy(row, m.Pix[y*m.Stride:])
		case *image.CMYK:
			if d.raw {
				for i, v := range m.Pix[y*m.Stride:][:len(row)] {
					row[i] = 255 - v
				}
				continue
			}
			fillCMYK(row, m.Pix[y*m.Stride:][:len(row)])
		default:
			panic(fmt.Sprintf("pixels in a %T", img))
		}
	}
}

// fillYCbCr converts row y of m to RGBX with the chroma upsampling and the rounding of
// libjpeg, which image/color does not have.
func (d *decoder) fillYCbCr(row []uint8, m *image.YCbCr, y int) {
	w, h := m.Rect.Dx(), m.Rect.Dy()
	cb, cr := d.chroma.Of(w)
	upsample(cb, m.Cb, m.CStride, m.SubsampleRatio, w, h, y)
	upsample(cr, m.Cr, m.CStride, m.SubsampleRatio, w, h, y)
	for x, v := range m.Y[y*m.YStride:][:w] {
		r, g, b := rgb(int(v), int(cb[x])-128, int(cr[x])-128)
		codec.Set(row, x, r, g, b)
	}
}

// fillCMYK converts a row of CMYK, rounding as Pillow does.
func fillCMYK(row, p []uint8) {
	for x := 0; x < len(p); x += 4 {
		k := 255 - int(p[x+3])
		for c := range 3 {
			t := int(p[x+c])*k + 128
			row[x+c] = uint8(k - (t>>8+t)>>8)
		}
	}
}
