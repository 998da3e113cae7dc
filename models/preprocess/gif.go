package preprocess

import (
	"encoding/binary"
	"image"
	"image/color"
)

// A gifFrame is what image/gif does not tell of the first frame, or changes.
type gifFrame struct {
	screen image.Rectangle
	table  []byte // 3 bytes a colour
	fill   uint8  // index of what the frame does not cover
}

// walkGIF follows the blocks to the first frame. It returns false where they
// make no sense.
func walkGIF(src []byte) (gifFrame, bool) {
	const header = 13
	if len(src) < header {
		return gifFrame{}, false
	}
	f := gifFrame{screen: image.Rect(0, 0, int(binary.LittleEndian.Uint16(src[6:])), int(binary.LittleEndian.Uint16(src[8:])))}
	table := func(at int, flags byte) []byte {
		n := 3 << (flags&7 + 1)
		if flags&0x80 == 0 || at+n > len(src) {
			return nil
		}
		return src[at:][:n]
	}
	f.table = table(header, src[10])
	for at := header + len(f.table); at < len(src); {
		switch src[at] {
		case 0x21: // an extension: a label and sub-blocks
			const control = 0xf9
			if at+8 <= len(src) && src[at+1] == control && src[at+3]&1 != 0 {
				f.fill = src[at+6] // the transparent colour
			}
			for at += 2; at < len(src) && src[at] != 0; {
				at += 1 + int(src[at])
			}
			at++
		case 0x2c:
			if at+10 > len(src) {
				return f, false
			}
			if local := table(at+10, src[at+9]); local != nil {
				f.table = local
			}
			return f, f.table != nil
		default:
			return f, false
		}
	}
	return f, false
}

// mend gives the first frame the colours that are stored for it, of which
// image/gif blackens the transparent one, and puts it on the whole screen.
func (f gifFrame) mend(img image.Image) image.Image {
	m, ok := img.(*image.Paletted)
	if !ok {
		return img
	}
	palette := make(color.Palette, 256)
	for i := range palette {
		palette[i] = color.NRGBA{A: 255}
		if 3*i+3 <= len(f.table) {
			palette[i] = color.NRGBA{f.table[3*i], f.table[3*i+1], f.table[3*i+2], 255}
		}
	}
	out := image.NewPaletted(f.screen, palette)
	for i := range out.Pix {
		out.Pix[i] = f.fill
	}
	r := m.Rect.Intersect(f.screen)
	for y := r.Min.Y; y < r.Max.Y; y++ {
		copy(out.Pix[out.PixOffset(r.Min.X, y):][:r.Dx()], m.Pix[m.PixOffset(r.Min.X, y):])
	}
	return out
}
