package preprocess

import (
	"fmt"
	"image"
)

// fill writes img, as image/jpeg or x/image/webp decodes it, to px as RGBX, in rows
// of pitch bytes. Alpha is dropped, not blended: a transparent pixel keeps the
// colour that is stored for it.
func (d *Decoder) fill(px []uint8, pitch int, img image.Image, f format) {
	b := img.Bounds()
	w := b.Dx()
	for y := range b.Dy() {
		row := px[y*pitch:][:w*4]
		switch m := img.(type) {
		case *image.YCbCr:
			d.fillYCbCr(row, m, y, f)
		case *image.NYCbCrA:
			d.fillYCbCr(row, &m.YCbCr, y, f)
		case *image.Gray:
			for x, v := range m.Pix[y*m.Stride:][:w] {
				set(row, x, v, v, v)
			}
		case *image.NRGBA:
			copy(row, m.Pix[y*m.Stride:])
		case *image.CMYK:
			fillCMYK(row, m.Pix[y*m.Stride:][:4*w])
		default:
			panic(fmt.Sprintf("pixels in a %T", img))
		}
	}
}

func set(row []uint8, x int, r, g, b uint8) {
	p := row[4*x:][:4]
	p[0], p[1], p[2] = r, g, b
}

// fillCMYK rounds as Pillow does.
func fillCMYK(row, p []uint8) {
	for x := 0; x < len(p); x += 4 {
		k := 255 - int(p[x+3])
		for c := range 3 {
			t := int(p[x+c])*k + 128
			row[x+c] = uint8(k - (t>>8+t)>>8)
		}
	}
}
