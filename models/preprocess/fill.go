package preprocess

import (
	"image"
	"image/color"
)

// fill writes img to px as RGBX, in rows of pitch bytes. Alpha is dropped, not
// blended: a transparent pixel keeps the colour that is stored for it. Samples of
// 16 bits keep their upper 8.
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
		case *image.Gray16:
			p := m.Pix[y*m.Stride:]
			for x := range w {
				set(row, x, p[2*x], p[2*x], p[2*x])
			}
		case *image.Paletted:
			fillPaletted(row, m.Pix[y*m.Stride:][:w], m.Palette)
		case *image.NRGBA:
			copy(row, m.Pix[y*m.Stride:])
		case *image.NRGBA64:
			p := m.Pix[y*m.Stride:]
			for x := range w {
				set(row, x, p[8*x], p[8*x+2], p[8*x+4])
			}
		case *image.RGBA:
			p := m.Pix[y*m.Stride:]
			for x := range w {
				q := p[4*x:][:4]
				if q[3] == 0xff {
					set(row, x, q[0], q[1], q[2])
				} else {
					c := color.NRGBAModel.Convert(color.RGBA{q[0], q[1], q[2], q[3]}).(color.NRGBA)
					set(row, x, c.R, c.G, c.B)
				}
			}
		case *image.CMYK:
			fillCMYK(row, m.Pix[y*m.Stride:][:4*w])
		default:
			for x := range w {
				c := color.NRGBA64Model.Convert(img.At(b.Min.X+x, b.Min.Y+y)).(color.NRGBA64)
				set(row, x, uint8(c.R>>8), uint8(c.G>>8), uint8(c.B>>8))
			}
		}
	}
}

func set(row []uint8, x int, r, g, b uint8) {
	p := row[4*x:][:4]
	p[0], p[1], p[2] = r, g, b
}

func fillPaletted(row, indices []uint8, palette color.Palette) {
	var table [256][3]uint8
	for i, c := range palette {
		n := color.NRGBAModel.Convert(c).(color.NRGBA)
		table[i] = [3]uint8{n.R, n.G, n.B}
	}
	for x, i := range indices {
		set(row, x, table[i][0], table[i][1], table[i][2])
	}
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
