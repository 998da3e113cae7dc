package tiff

import (
	"fmt"

	"github.com/batchscore/batchscore/models/preprocess/codec"
)

// An innerReader decodes blocks that are files of another format. Their decoder writes to the
// picture where that has room for the whole block, and otherwise to memory of its own.
type innerReader struct {
	file    []uint8 // of a JPEG: its tables and its data
	whole   codec.Pixels
	scratch []uint8
}

// innerBlock decodes block i to px.
func (r *reader) innerBlock(px codec.Pixels, i, plane int) (*codec.Failure, error) {
	t, in := r.t, &r.inner
	data, fail := t.block(i)
	if fail != nil {
		return fail, nil
	}
	if t.compression == jpeg {
		in.file = t.jpegFile(in.file[:0], data)
		data = in.file
	}
	need := t.inner.Need(data, r.bounds)
	if need.Width < px.Width || need.Height < px.Height { // where it would fail, as it does
		need.Width, need.Height = px.Width, px.Height
	}
	direct := need.Width == px.Width && need.Height == px.Height && !t.planar
	in.whole = px
	if !direct {
		size := 4 * need.Width * need.Height
		if cap(in.scratch) < size {
			in.scratch = make([]uint8, size)
		}
		in.whole = codec.Pixels{Bytes: in.scratch[:size], Pitch: 4 * need.Width, Width: need.Width, Height: need.Height}
	}
	decode := t.inner.Decode
	if raw, ok := t.inner.(codec.RawDecoder); ok && t.photometric == cmyk {
		decode = raw.DecodeRaw
	}
	canvas := &innerCanvas{px: in.whole, alpha: t.alpha}
	fail, err := decode(data, r.bounds, canvas)
	if err != nil {
		return nil, err
	}
	if fail != nil {
		return &codec.Failure{Status: fail.Status, Reason: fmt.Sprintf("block %d: %s", i, fail.Reason)}, nil
	}
	if t.alpha && !canvas.has {
		for y := range px.Height {
			row := in.whole.Row(y)
			for x := 3; x < len(row); x += 4 {
				row[x] = 255
			}
		}
	}
	if direct {
		return nil, nil
	}
	for y := range px.Height {
		to, from := px.Row(y), in.whole.Row(y)
		if !t.planar {
			copy(to, from)
			continue
		}
		for x := 0; x < len(to); x += 4 {
			to[x+plane] = from[x]
		}
	}
	return nil, nil
}

// An innerCanvas is memory of the size that the decoder's Need names. It may want alpha, and
// keeps whether there is some.
type innerCanvas struct {
	px         codec.Pixels
	alpha, has bool
}

// Alpha implements codec.AlphaCanvas.
func (c *innerCanvas) Alpha() bool {
	c.has = true
	return c.alpha
}

// Prepare implements codec.Canvas.
func (c *innerCanvas) Prepare(width, height int, _ codec.Orientation, _ []codec.Scale) codec.Pixels {
	if width != c.px.Width || height != c.px.Height {
		panic(fmt.Sprintf("a block of %dx%d pixels, where its headers say %dx%d", width, height, c.px.Width, c.px.Height))
	}
	return c.px
}

// checkInner checks the size of block i, and that a JPEG has the samples that the tags say.
func (t *picture) checkInner(i int, data []uint8) *codec.Failure {
	rows := t.rows(i / t.across % t.down)
	need := min(t.blockW, t.width-i%t.across*t.blockW) // columns of the picture
	width, height, components := 0, 0, t.perBlock()
	if t.compression == jpeg {
		f, ok := findFrame(data)
		if !ok {
			return codec.Fail(codec.StatusCorrupt, "block %d: a JPEG without a frame", i)
		}
		if f.bits != 8 {
			return unsupportedTag(tagCompression, fmt.Sprintf("%d (JPEG) of %d bits", t.compression, f.bits))
		}
		width, height, components = f.width, f.height, f.components
	} else {
		n := t.inner.Need(data, codec.Bounds{MaxPixels: 1 << 40, MaxScans: 1})
		width, height = n.Width, n.Height
		if width == 0 {
			return codec.Fail(codec.StatusCorrupt, "block %d: a WebP without a size", i)
		}
	}
	if width < need || height < rows || width > t.blockW || height > t.blockH || components != t.perBlock() {
		return codec.Fail(codec.StatusCorrupt, "block %d: %d samples of %dx%d pixels, instead of %d of %dx%d",
			i, components, width, height, t.perBlock(), t.blockW, rows)
	}
	return nil
}

// A frame is what a JPEG's header says.
type frame struct{ width, height, components, bits int }

// segments calls yield with each segment of a JPEG before its coded data, until it returns
// false: its marker, and all its bytes. It returns what is left: the scan's header and the
// data.
func segments(b []uint8, yield func(marker uint8, segment []uint8) bool) (rest []uint8) {
	const soi, eoi, sos = 0xd8, 0xd9, 0xda
	for len(b) >= 2 {
		if b[0] != 0xff {
			return b
		}
		switch m := b[1]; {
		case m == 0xff: // fill
			b = b[1:]
		case m == soi:
			b = b[2:]
		case m == sos:
			return b
		case m == eoi || len(b) < 4:
			return nil
		default:
			n := 2 + int(b[2])<<8 + int(b[3])
			if n > len(b) || !yield(m, b[:n]) {
				return nil
			}
			b = b[n:]
		}
	}
	return b
}

// isFrame reports whether a marker is that of a frame.
func isFrame(marker uint8) bool {
	return marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc
}

func findFrame(b []uint8) (f frame, found bool) {
	segments(b, func(marker uint8, s []uint8) bool {
		if isFrame(marker) && len(s) >= 10 {
			f = frame{bits: int(s[4]), height: int(s[5])<<8 | int(s[6]), width: int(s[7])<<8 | int(s[8]), components: int(s[9])}
			found = true
		}
		return !found
	})
	return f, found
}

// jpegFile appends a whole JPEG to file: the tables that blocks share, and a block's data. A
// segment says what TIFF's tags say of its colours, in place of those of the block.
func (t *picture) jpegFile(file, data []uint8) []uint8 {
	transform := uint8(0)
	if t.photometric == yCbCr && !t.planar {
		transform = 1
	}
	file = append(file, "\xff\xd8\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00"...)
	file = append(file, transform)
	keep := func(marker uint8, segment []uint8) bool {
		if marker < 0xe0 { // other than of an application, or a comment
			file = append(file, segment...)
		}
		return true
	}
	if f := t.fields[tagJPEGTables]; f.fail == nil {
		segments(f.values, keep)
	}
	rest := segments(data, keep)
	return append(file, rest...)
}
