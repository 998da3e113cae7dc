package bmp

import (
	"bytes"
	"encoding/binary"
	"fmt"
	stdjpeg "image/jpeg"
	stdpng "image/png"
	"path/filepath"
	"testing"

	"github.com/batchscore/batchscore/models/preprocess/codec"
	"github.com/batchscore/batchscore/models/preprocess/codec/codectest"
	jpegcodec "github.com/batchscore/batchscore/models/preprocess/jpeg"
	pngcodec "github.com/batchscore/batchscore/models/preprocess/png"
)

// A form is one way of writing the same picture.
type form struct {
	header      int // bytes of the second header
	bits        int
	compression uint32
	masks       [4]uint32
	topDown     bool
	gap         int    // bytes before the pixels
	colours     uint32 // number in the header
	palette     []byte // 3 bytes a colour with a header of 12 bytes, otherwise 4
	reserved    string // bytes 6 to 9 of the file
	pixels      []byte // as stored
}

func (f form) file(w, h int) []byte {
	b := []byte("BM\x00\x00\x00\x00" + (f.reserved + "\x00\x00\x00\x00")[:4] + "\x00\x00\x00\x00")
	b = binary.LittleEndian.AppendUint32(b, uint32(f.header))
	if f.header == 12 {
		for _, v := range []int{w, h, 1, f.bits} {
			b = binary.LittleEndian.AppendUint16(b, uint16(v))
		}
	} else {
		if f.topDown {
			h = -h
		}
		for _, v := range []uint32{uint32(w), uint32(h), uint32(1 | f.bits<<16), f.compression, 0, 0, 0, f.colours, 0} {
			b = binary.LittleEndian.AppendUint32(b, v)
		}
		if f.compression == bitfields {
			n := 3
			if f.header > 52 {
				n = 4
			}
			for _, m := range f.masks[:n] {
				b = binary.LittleEndian.AppendUint32(b, m)
			}
		}
		b = append(b, make([]byte, max(0, 14+f.header-len(b)))...)
	}
	b = append(b, f.palette...)
	b = append(b, make([]byte, f.gap)...)
	binary.LittleEndian.PutUint32(b[10:], uint32(len(b)))
	return append(b, f.pixels...)
}

// rows returns the rows of a picture from the last to the first, each padded to a multiple
// of 4 bytes.
func rows(w, h, bits int, pixel func(x, y int) uint32) []byte {
	var out []byte
	for y := h - 1; y >= 0; y-- {
		row := make([]byte, (w*bits+31)/32*4)
		for x := range w {
			v := pixel(x, y)
			if bits < 8 {
				row[x*bits/8] |= byte(v) << (8 - bits - x*bits%8)
				continue
			}
			for i := range bits / 8 {
				row[x*bits/8+i] = byte(v >> (8 * i))
			}
		}
		out = append(out, row...)
	}
	return out
}

// flipRows reverses the order of rows.
func flipRows(b []byte, h int) []byte {
	var out []byte
	for y := range h {
		out = append(out, b[(h-1-y)*len(b)/h:][:len(b)/h]...)
	}
	return out
}

// TestFault19_BMPForms tests that every form of BMP that Pillow reads gives the pixels that
// were written, and that the colours of 16 bits are scaled as Pillow does.
func TestFault19_BMPForms(t *testing.T) {
	const w, h = 11, 6
	index := func(x, y int) uint32 { return uint32(x*3+y*5) % 16 }
	colour := func(x, y int) [3]byte { i := index(x, y); return [3]byte{byte(i * 17), byte(255 - i*9), byte(i * i)} }
	wide := func(shifts [3]int) func(x, y int) uint32 {
		return func(x, y int) uint32 {
			c := colour(x, y)
			return uint32(c[0])<<shifts[0] | uint32(c[1])<<shifts[1] | uint32(c[2])<<shifts[2]
		}
	}
	bgr := wide([3]int{16, 8, 0})
	var want, grey, bw []byte
	for y := range h {
		for x := range w {
			c := colour(x, y)
			want = append(want, c[:]...)
			v := byte(index(x, y))
			grey = append(grey, v, v, v)
			v = byte(index(x, y)%2) * 255
			bw = append(bw, v, v, v)
		}
	}
	// 16 bits: what remains of 5 or 6 bits a colour.
	few := func(green uint32) (func(x, y int) uint32, []byte) {
		var out []byte
		for y := range h {
			for x := range w {
				c := colour(x, y)
				g := uint32(c[1]) * green / 255
				out = append(out, byte(uint32(c[0]>>3)*255/31), byte(g*255/green), byte(uint32(c[2]>>3)*255/31))
			}
		}
		return func(x, y int) uint32 {
			c := colour(x, y)
			shift := 10
			if green == 63 {
				shift = 11
			}
			return uint32(c[0]>>3)<<shift | uint32(c[1])*green/255<<5 | uint32(c[2]>>3)
		}, out
	}
	pixel555, want555 := few(31)
	pixel565, want565 := few(63)
	palette := func(entry int) []byte {
		var p []byte
		for i := range 16 {
			p = append(append(p, byte(i*i), byte(255-i*9), byte(i*17)), make([]byte, entry-3)...)
		}
		return p
	}
	bgrMasks := [4]uint32{0xff0000, 0xff00, 0xff}
	for _, c := range []struct {
		name string
		form form
		want []byte
	}{
		{name: "24 bits", form: form{header: 40, bits: 24, pixels: rows(w, h, 24, bgr)}, want: want},
		{name: "reserved bytes", form: form{header: 40, bits: 24, reserved: "abcd", pixels: rows(w, h, 24, bgr)}, want: want},
		{name: "top down", form: form{header: 40, bits: 24, topDown: true, pixels: flipRows(rows(w, h, 24, bgr), h)}, want: want},
		{name: "a gap before the pixels", form: form{header: 40, bits: 24, gap: 7, pixels: rows(w, h, 24, bgr)}, want: want},
		{
			name: "a palette that is not used",
			form: form{header: 40, bits: 24, colours: 16, palette: palette(4), pixels: rows(w, h, 24, bgr)},
			want: want,
		},
		{name: "OS/2 1", form: form{header: 12, bits: 24, pixels: rows(w, h, 24, bgr)}, want: want},
		{name: "OS/2 2", form: form{header: 64, bits: 24, pixels: rows(w, h, 24, bgr)}, want: want},
		{name: "32 bits", form: form{header: 40, bits: 32, pixels: rows(w, h, 32, bgr)}, want: want},
		{name: "32 bits with masks", form: form{header: 40, bits: 32, compression: 3, masks: bgrMasks, pixels: rows(w, h, 32, bgr)}, want: want},
		{name: "version 2", form: form{header: 52, bits: 32, compression: 3, masks: bgrMasks, pixels: rows(w, h, 32, bgr)}, want: want},
		{name: "version 3", form: form{header: 56, bits: 32, compression: 3, masks: [4]uint32{0xff000000, 0xff0000, 0xff00, 0xff},
			pixels: rows(w, h, 32, wide([3]int{24, 16, 8}))}, want: want},
		{name: "version 4", form: form{header: 108, bits: 32, compression: 3, masks: [4]uint32{0xff, 0xff00, 0xff0000, 0xff000000},
			pixels: rows(w, h, 32, wide([3]int{0, 8, 16}))}, want: want},
		{name: "version 5", form: form{header: 124, bits: 24, pixels: rows(w, h, 24, bgr)}, want: want},
		{name: "16 bits", form: form{header: 40, bits: 16, pixels: rows(w, h, 16, pixel555)}, want: want555},
		{name: "16 bits with masks", form: form{header: 40, bits: 16, compression: 3, masks: [4]uint32{0xf800, 0x7e0, 0x1f},
			pixels: rows(w, h, 16, pixel565)}, want: want565},
		{name: "8 bits", form: form{header: 40, bits: 8, colours: 16, palette: palette(4), pixels: rows(w, h, 8, index)}, want: want},
		{
			name: "8 bits, OS/2 1",
			form: form{header: 12, bits: 8, palette: append(palette(3), make([]byte, 240*3)...), pixels: rows(w, h, 8, index)},
			want: want,
		},
		{name: "4 bits", form: form{header: 40, bits: 4, palette: palette(4), pixels: rows(w, h, 4, index)}, want: want},
		{name: "grey of 4 bits", form: form{header: 40, bits: 4, palette: greyPalette(16), pixels: rows(w, h, 4, index)}, want: grey},
		{name: "1 bit", form: form{header: 40, bits: 1, palette: []byte("\x00\x00\x00\x00\xff\xff\xff\x00"),
			pixels: rows(w, h, 1, func(x, y int) uint32 { return index(x, y) % 2 })}, want: bw},
	} {
		t.Run(c.name, func(t *testing.T) { codectest.WantPixels(t, Format, c.form.file(w, h), w, h, c.want) })
	}
	t.Run("without the first header", func(t *testing.T) {
		for _, f := range []form{
			{header: 40, bits: 24, pixels: rows(w, h, 24, bgr)},
			{header: 40, bits: 4, palette: palette(4), pixels: rows(w, h, 4, index)},
		} {
			codectest.WantPixels(t, Format, f.file(w, h)[14:], w, h, want)
		}
	})
	t.Run("1 bit and one colour", func(t *testing.T) {
		f := form{header: 40, bits: 1, colours: 1, palette: make([]byte, 4),
			pixels: rows(w, h, 1, func(x, y int) uint32 { return index(x, y) % 2 })}
		codectest.WantPixels(t, Format, f.file(w, h), w, h, bw)
	})
	// An index beyond the header's number of colours is black.
	over := form{header: 40, bits: 8, colours: 8, palette: palette(4)[:32], pixels: rows(w, h, 8, index)}
	black := bytes.Clone(want)
	for i := range w * h {
		if index(i%w, i/w) >= 8 {
			copy(black[3*i:], []byte{0, 0, 0})
		}
	}
	t.Run("an index beyond the palette", func(t *testing.T) { codectest.WantPixels(t, Format, over.file(w, h), w, h, black) })
}

func greyPalette(n int) []byte {
	var p []byte
	for i := range n {
		p = append(p, byte(i), byte(i), byte(i), 0)
	}
	return p
}

// TestFault19_BMPRuns tests both kinds of run lengths.
func TestFault19_BMPRuns(t *testing.T) {
	palette := func(n int) []byte {
		var p []byte
		for i := range n {
			p = append(p, byte(i), byte(2*i), byte(3*i), 0)
		}
		return p
	}
	colours := func(indices string) []byte {
		var out []byte
		for _, i := range []byte(indices) {
			out = append(out, 3*i, 2*i, i)
		}
		return out
	}
	for _, c := range []struct {
		name        string
		bits        int
		compression uint32
		gap         int // bytes before the runs
		runs        string
		want        string // the rows from the first to the last, of 5 pixels
	}{
		{name: "runs", bits: 8, compression: rle8, runs: "\x05\x07\x00\x00\x03\x01\x02\x02\x00\x01", want: "\x01\x01\x01\x02\x02" + "\x07\x07\x07\x07\x07"},
		{
			name:        "absolute, padded",
			bits:        8,
			compression: rle8,
			runs:        "\x00\x05\x01\x02\x03\x04\x05\x00\x00\x00\x05\x09\x00\x01",
			want:        "\x09\x09\x09\x09\x09" + "\x01\x02\x03\x04\x05",
		},
		{
			name:        "a row that ends early",
			bits:        8,
			compression: rle8,
			runs:        "\x02\x03\x00\x00\x05\x04\x00\x01",
			want:        "\x04\x04\x04\x04\x04" + "\x03\x03\x00\x00\x00",
		},
		{
			name:        "a run past its row",
			bits:        8,
			compression: rle8,
			runs:        "\x09\x03\x00\x00\x05\x04\x00\x01",
			want:        "\x04\x04\x04\x04\x04" + "\x03\x03\x03\x03\x03",
		},
		{
			name:        "a jump",
			bits:        8,
			compression: rle8,
			runs:        "\x01\x03\x00\x02\x01\x01\x03\x06\x00\x01",
			want:        "\x00\x00\x06\x06\x06" + "\x03\x00\x00\x00\x00",
		},
		{name: "no end", bits: 8, compression: rle8, runs: "\x05\x07\x00\x00\x05\x02", want: "\x02\x02\x02\x02\x02" + "\x07\x07\x07\x07\x07"},
		{name: "nibbles", bits: 4, compression: rle4, runs: "\x05\x12\x00\x00\x05\x34\x00\x01", want: "\x03\x04\x03\x04\x03" + "\x01\x02\x01\x02\x01"},
		{
			name:        "absolute nibbles",
			bits:        4,
			compression: rle4,
			runs:        "\x00\x05\x12\x34\x50\x00\x00\x00\x05\x66\x00\x01",
			want:        "\x06\x06\x06\x06\x06" + "\x01\x02\x03\x04\x05",
		},
		{
			name:        "absolute, to an even offset of the file",
			bits:        8,
			compression: rle8,
			gap:         1,
			runs:        "\x00\x04\x01\x02\x03\x04\x00" + "\x01\x05\x00\x00" + "\x00\x05\x06\x07\x08\x09\x0a\x00" + "\x00\x01",
			want:        "\x06\x07\x08\x09\x0a" + "\x01\x02\x03\x04\x05",
		},
		{
			name:        "absolute from an odd offset, without padding",
			bits:        8,
			compression: rle8,
			gap:         1,
			runs:        "\x00\x05\x01\x02\x03\x04\x05" + "\x00\x00\x05\x09\x00\x01",
			want:        "\x09\x09\x09\x09\x09" + "\x01\x02\x03\x04\x05",
		},
		{
			name:        "absolute nibbles from an odd offset",
			bits:        4,
			compression: rle4,
			gap:         1,
			runs:        "\x00\x04\x12\x34\x00" + "\x01\x50\x00\x00" + "\x00\x05\x67\x89\xa0\x00" + "\x00\x01",
			want:        "\x06\x07\x08\x09\x0a" + "\x01\x02\x03\x04\x05",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := form{header: 40, bits: c.bits, compression: c.compression, palette: palette(1 << c.bits), gap: c.gap, pixels: []byte(c.runs)}
			codectest.WantPixels(t, Format, f.file(5, 2), 5, 2, colours(c.want))
		})
	}
	for _, runs := range []string{"", "\x05\x07\x00\x01", "\x05\x07\x00\x00\x04\x07\x00\x01", "\x05\x07\x00\x00\x05", "\x00\x06\x01\x02", "\x05\x07\x00\x02\x01"} {
		t.Run(fmt.Sprintf("cut %q", runs), func(t *testing.T) {
			f := form{header: 40, bits: 8, compression: rle8, palette: palette(256), pixels: []byte(runs)}
			codectest.WantStatus(t, Format, f.file(5, 2), codec.StatusTruncated)
		})
	}
}

// TestInner tests files of other formats in a BMP.
func TestInner(t *testing.T) {
	img := codectest.Picture(9, 7, 1)
	var j, p bytes.Buffer
	if err := stdjpeg.Encode(&j, img, nil); err != nil {
		t.Fatal(err)
	}
	if err := stdpng.Encode(&p, img); err != nil {
		t.Fatal(err)
	}
	inner := map[string]codec.Decoder{"JPEG": codectest.New(t, jpegcodec.Format, codec.Config{}), "PNG": codectest.New(t, pngcodec.Format, codec.Config{})}
	f := Format
	f.New = func(c codec.Config) (codec.Decoder, error) {
		c.Inner = func(name string) codec.Decoder { return inner[name] }
		return Format.New(c)
	}
	for _, c := range []struct {
		name        string
		compression uint32
		file        []byte
		format      codec.Format
	}{{name: "JPEG", compression: jpeg, file: j.Bytes(), format: jpegcodec.Format}, {name: "PNG", compression: png, file: p.Bytes(), format: pngcodec.Format}} {
		t.Run(c.name, func(t *testing.T) {
			want, fail := codectest.Decode(t, c.format, codectest.Bounds, c.file)
			if fail != nil {
				t.Fatal(fail)
			}
			src := form{header: 40, compression: c.compression, pixels: c.file}.file(9, 7)
			codectest.WantPixels(t, f, src, 9, 7, want.RGB())
			codectest.WantStatus(t, f, form{header: 40, compression: c.compression, pixels: c.file}.file(9, 8), codec.StatusCorrupt)
			codectest.WantStatus(t, Format, src, codec.StatusUnsupported)
			if n := codectest.New(t, f, codec.Config{}).Need(src, codectest.Bounds); n.Width != 9 || n.Height != 7 {
				t.Errorf("Need() = %v, want 9x7 pixels", n)
			}
		})
	}
}

// An alphaCanvas wants alpha.
type alphaCanvas struct{ *codectest.Canvas }

func (alphaCanvas) Alpha() bool { return true }

// TestAlpha tests that the alpha of 32 bits is that of the header's mask.
func TestAlpha(t *testing.T) {
	pixel := func(x, y int) uint32 { return 0x80<<24 | uint32(x)<<16 | uint32(y)<<8 | 7 }
	f := form{header: 56, bits: 32, compression: bitfields, masks: [4]uint32{0xff0000, 0xff00, 0xff, 0xff000000}, pixels: rows(3, 2, 32, pixel)}
	d := codectest.New(t, Format, codec.Config{})
	c := alphaCanvas{&codectest.Canvas{}}
	if fail, err := d.Decode(f.file(3, 2), codectest.Bounds, c); fail != nil || err != nil {
		t.Fatal(fail, err)
	}
	if got := c.Row(1)[8:12]; string(got) != "\x02\x01\x07\x80" {
		t.Errorf("pixel %v, want 2, 1, 7 and alpha 128", got)
	}
}

// TestFault17_BMPUnsupported tests the statuses of pictures that cannot be decoded.
func TestFault17_BMPUnsupported(t *testing.T) {
	px := make([]byte, 400)
	for _, c := range []struct {
		name string
		form form
		want codec.Status
	}{
		{name: "a JPEG inside, and no decoder of it", form: form{header: 40, compression: jpeg, pixels: px}, want: codec.StatusUnsupported},
		{name: "3 bits", form: form{header: 40, bits: 3, pixels: px}, want: codec.StatusUnsupported},
		{name: "RLE24 of OS/2", form: form{header: 64, bits: 24, compression: 4, pixels: px}, want: codec.StatusUnsupported},
		{
			name: "a mask with a hole",
			form: form{header: 40, bits: 16, compression: 3, masks: [4]uint32{0xf0f, 0xf0, 0xf000}, pixels: px},
			want: codec.StatusUnsupported,
		},
		{
			name: "a mask beyond the pixel",
			form: form{header: 108, bits: 16, compression: 3, masks: [4]uint32{0x1f0000, 0x3e0, 0x1f}, pixels: px},
			want: codec.StatusUnsupported,
		},
		{name: "masks of zero, of 16 bits", form: form{header: 108, bits: 16, compression: 3, pixels: px}, want: codec.StatusUnsupported},
		{name: "no rows", form: form{header: 12, bits: 24}, want: codec.StatusCorrupt},
		{name: "fewer rows", form: form{header: 40, bits: 24, pixels: px[:200]}, want: codec.StatusTruncated},
		{name: "fewer colours", form: form{header: 40, bits: 8, palette: px[:100]}, want: codec.StatusTruncated},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := 9
			if c.name == "no rows" {
				h = 0
			}
			codectest.WantStatus(t, Format, c.form.file(9, h), c.want)
		})
	}
}

// TestFault19_References compares the pixels with Pillow's.
func TestFault19_References(t *testing.T) {
	codectest.References(t, Format, filepath.Join("..", "testdata"), 0)
}

// TestFault17_Prefixes cuts a file everywhere.
func TestFault17_Prefixes(t *testing.T) {
	codectest.Prefixes(t, Format, codectest.File(t, "..", "testdata", "bmp-24.bmp"))
}
