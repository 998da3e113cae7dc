package tiff

import (
	"bytes"
	"encoding/binary"

	"github.com/batchscore/batchscore/models/preprocess/codec"
)

// The first kind of JPEG in TIFF has no file in its blocks: tags have the tables, or where a
// whole JPEG begins. Chroma that pixels share is repeated, as libtiff does.

// checkOldJPEG checks that there is a JPEG.
func (t *picture) checkOldJPEG() *codec.Failure {
	_, fail := t.oldJPEGFile()
	return fail
}

// oldJPEGNeed returns what decoding takes besides the pixels.
func (t *picture) oldJPEGNeed(bounds codec.Bounds) int64 {
	file, fail := t.oldJPEGFile()
	if fail != nil {
		return 0
	}
	return t.inner.Need(file, bounds).Bytes + int64(len(file))
}

func (t *picture) decodeOldJPEG(bounds codec.Bounds, to codec.Canvas) (*codec.Failure, error) {
	file, fail := t.oldJPEGFile()
	if fail != nil {
		return fail, nil
	}
	c := &oldCanvas{Canvas: to, orientation: t.orientation()}
	decode := t.inner.Decode
	if raw, ok := t.inner.(codec.RawDecoder); ok {
		decode = raw.DecodeRaw
	}
	fail, err := decode(file, bounds, c)
	if fail == nil && err == nil && t.samples == 3 {
		convert := t.chroma().convert
		for y := range c.px.Height {
			convert(c.px.Row(y))
		}
	}
	return fail, err
}

// An oldCanvas is upright as the TIFF says.
type oldCanvas struct {
	codec.Canvas
	orientation codec.Orientation
	px          codec.Pixels
}

// Prepare implements codec.Canvas.
func (c *oldCanvas) Prepare(width, height int, _ codec.Orientation, _ []codec.Scale) codec.Pixels {
	c.px = c.Canvas.Prepare(width, height, c.orientation, nil)
	return c.px
}

// An oldFile is the parts of a JPEG.
type oldFile struct {
	tables []uint8 // segments
	frame  []uint8 // a segment
	scan   []uint8 // the scan's header, a segment
	x, y   int     // sampling of the first component
}

// add takes the segments of a JPEG, or of its beginning. It returns the coded data that
// follow them.
func (o *oldFile) add(file []uint8) []uint8 {
	rest := segments(file, func(marker uint8, s []uint8) bool {
		switch {
		case isFrame(marker):
			o.frame = s
		case marker < 0xe0: // not of an application, nor a comment
			o.tables = append(o.tables, s...)
		}
		return true
	})
	if len(rest) < 4 || rest[0] != 0xff || rest[1] != 0xda {
		return rest
	}
	n := min(2+int(rest[2])<<8+int(rest[3]), len(rest))
	o.scan = rest[:n]
	return rest[n:]
}

// oldJPEGFile returns the picture as a JPEG, which does not convert its colours. Its parts are
// in a JPEG that tags name, in other tags, or in the blocks.
func (t *picture) oldJPEGFile() ([]uint8, *codec.Failure) {
	var o oldFile
	var data []uint8
	if t.has(tagJPEGOffset) {
		at := t.one(tagJPEGOffset, 0)
		if t.fail != nil {
			return nil, t.fail
		}
		if at >= uint64(len(t.src)) {
			return nil, codec.Fail(codec.StatusTruncated, "the JPEG is past the end")
		}
		file := t.src[at:]
		if n := t.one(tagJPEGLength, 0); n > 0 && n < uint64(len(file)) && t.fail == nil {
			file = file[:n]
		}
		if len(file) >= 2 && file[0] == 0xff && file[1] == 0xd8 {
			data = o.add(file)
		}
	}
	if t.offsets.count > 0 {
		data = nil
		for i := range t.across * t.down {
			block, fail := t.block(i)
			if fail != nil {
				return nil, fail
			}
			if len(block) >= 2 && block[0] == 0xff && (block[1] == 0xd8 || block[1] == 0xda) {
				block = o.add(block)
			}
			if n := len(block); n >= 2 && block[n-2] == 0xff && (block[n-1] == 0xd9 || block[n-1]&0xf8 == 0xd0) {
				block = block[:n-2]
			}
			data = append(data, block...)
			if i < t.across*t.down-1 {
				data = append(data, 0xff, 0xd0|uint8(i&7))
			}
		}
	}
	if fail := t.complete(&o); fail != nil {
		return nil, fail
	}
	file := append([]uint8("\xff\xd8\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00\x00"), o.tables...)
	if t.across*t.down > 1 {
		if t.across > 1 || t.blockH%(8*o.y) != 0 {
			return nil, unsupportedTag(tagCompression, "6 (old JPEG) in such blocks")
		}
		restart := (t.width + 8*o.x - 1) / (8 * o.x) * (t.blockH / (8 * o.y))
		file = append(file, 0xff, 0xdd, 0, 4, uint8(restart>>8), uint8(restart))
	}
	file = append(append(append(file, o.frame...), o.scan...), data...)
	if !bytes.HasSuffix(data, []uint8{0xff, 0xd9}) {
		file = append(file, 0xff, 0xd9)
	}
	return file, nil
}

// complete makes what is missing of a JPEG of tags, and gives it the picture's size.
func (t *picture) complete(o *oldFile) *codec.Failure {
	if t.planar || t.width > 0xffff || t.height > 0xffff {
		return unsupportedTag(tagCompression, "6 (old JPEG) of this size, or in planes")
	}
	if len(o.tables) == 0 {
		if fail := t.oldTables(o); fail != nil {
			return fail
		}
	}
	if o.frame == nil {
		x, y := 2, 2
		if f := t.fields[tagYCbCrSubSampling]; f.fail == nil && f.count == 2 {
			x, y = int(min(t.at(f, 0), 9)), int(min(t.at(f, 1), 9))
		}
		if t.samples == 1 {
			x, y = 1, 1
		}
		o.frame = append(o.frame, 0xff, 0xc0, 0, uint8(8+3*t.samples), 8, 0, 0, 0, 0, uint8(t.samples))
		for i := range t.samples {
			sampling := uint8(0x11)
			if i == 0 {
				sampling = uint8(x<<4 | y)
			}
			o.frame = append(o.frame, uint8(i+1), sampling, uint8(i))
		}
	}
	if len(o.frame) != 10+3*t.samples || int(o.frame[9]) != t.samples || o.frame[4] != 8 || o.frame[1] == 0xc2 && t.across*t.down > 1 {
		return unsupportedTag(tagCompression, "6 (old JPEG) with other samples")
	}
	if o.x, o.y = int(o.frame[11]>>4), int(o.frame[11]&15); o.x < 1 || o.x > 4 || o.y < 1 || o.y > 4 {
		return unsupportedTag(tagYCbCrSubSampling, "of an old JPEG")
	}
	o.frame = bytes.Clone(o.frame)
	binary.BigEndian.PutUint16(o.frame[5:], uint16(t.height))
	binary.BigEndian.PutUint16(o.frame[7:], uint16(t.width))
	if o.scan == nil {
		o.scan = append(o.scan, 0xff, 0xda, 0, uint8(6+2*t.samples), uint8(t.samples))
		for i := range t.samples {
			table := uint8(min(i, 1))
			o.scan = append(o.scan, o.frame[10+3*i], table<<4|table)
		}
		o.scan = append(o.scan, 0, 63, 0)
	}
	return nil
}

// oldTables makes segments of the tables that tags name. The codes of the third component are
// those of the second, as in every baseline JPEG.
func (t *picture) oldTables(o *oldFile) *codec.Failure {
	for i := range t.samples {
		q, fail := t.oldTable(tagJPEGQTables, i)
		if fail != nil || len(q) < 64 {
			return missingTable(fail)
		}
		o.tables = append(append(o.tables, 0xff, 0xdb, 0, 67, uint8(i)), q[:64]...)
	}
	for class, tag := range []uint16{tagJPEGDCTables, tagJPEGACTables} {
		for i := range min(t.samples, 2) {
			b, fail := t.oldTable(tag, i)
			if fail != nil || len(b) < 16 {
				return missingTable(fail)
			}
			n := 16
			for _, c := range b[:16] {
				n += int(c)
			}
			if n > len(b) || n > 16+256 {
				return missingTable(nil)
			}
			o.tables = append(o.tables, 0xff, 0xc4)
			o.tables = binary.BigEndian.AppendUint16(o.tables, uint16(3+n))
			o.tables = append(append(o.tables, uint8(class<<4|i)), b[:n]...)
		}
	}
	return nil
}

// oldTable returns the file from where table i of a tag begins.
func (t *picture) oldTable(tag uint16, i int) ([]uint8, *codec.Failure) {
	f := t.list(tag)
	if t.fail != nil {
		return nil, t.fail
	}
	if f.count == 0 {
		return nil, nil
	}
	at := t.at(f, min(i, int(f.count)-1))
	if at >= uint64(len(t.src)) {
		return nil, codec.Fail(codec.StatusTruncated, "%s: a table is past the end", tagName(tag))
	}
	return t.src[at:], nil
}

func missingTable(fail *codec.Failure) *codec.Failure {
	if fail != nil {
		return fail
	}
	return codec.Fail(codec.StatusCorrupt, "a table of the JPEG is missing")
}
