// Package rawpreview finds the JPEG that a camera puts into its raw files for viewers.
package rawpreview

import (
	"bytes"
	"encoding/binary"

	"github.com/batchscore/batchscore/models/preprocess/codec"
	"github.com/batchscore/batchscore/models/preprocess/exif"
	"github.com/batchscore/batchscore/models/preprocess/ifd"
)

// Find returns the preview of a raw file and how the file says that its pictures are turned
// upright, or nil. Of several previews it is the one of most pixels, of equal ones the first. It
// shares src's memory, and may have more of it after its end.
//
// The directories of a file that is a TIFF name its previews. Elsewhere, and where they name none,
// as Olympus's and Pentax's may, a preview is what begins as a JPEG does.
func Find(src []byte) (preview []byte, o codec.Orientation) {
	o = 1
	var most int64
	left := mostSegments
	take := func(at uint64) {
		if at >= uint64(len(src)) {
			return
		}
		if pixels := pixelsOf(src[at:], &left); pixels > most {
			most, preview = pixels, src[at:]
		}
	}
	order, isTIFF := byteOrder(src)
	dng := false
	if isTIFF {
		o, _ = exif.FromDirectory(src, order)
		d := directories{src: src, order: order, take: take}
		d.walk()
		dng = d.dng
	}
	if preview != nil || dng { // whose tiles may be JPEGs
		return preview, o
	}
	for at := 0; left > 0; {
		next := bytes.Index(src[at:], []byte("\xff\xd8\xff"))
		if next < 0 {
			return preview, o
		}
		at += next
		take(uint64(at))
		at++
	}
	return preview, o
}

// mostSegments is how many segments of JPEGs are looked at in a file. Files have fewer than
// 1,000, but a segment may have the beginnings of further JPEGs in it, and each of those too.
const mostSegments = 1 << 20

// byteOrder returns the byte order of a TIFF, or of a file that differs from one in its number.
func byteOrder(src []byte) (binary.ByteOrder, bool) {
	if len(src) < 8 {
		return nil, false
	}
	switch string(src[:4]) {
	case "II*\x00", "IIU\x00", "IIRO", "IIRS":
		return binary.LittleEndian, true
	case "MM\x00*", "MMOR":
		return binary.BigEndian, true
	}
	return nil, false
}

// directories walks over the directories of a TIFF.
type directories struct {
	src   []byte
	order binary.ByteOrder
	take  func(at uint64)
	dng   bool
}

// Tags of a directory.
const (
	tagPanasonicPreview = 0x002e
	tagCompression      = 0x0103
	tagPhotometric      = 0x0106
	tagStripOffsets     = 0x0111
	tagSubIFDs          = 0x014a
	tagPreviewOffset    = 0x0201
	tagDNGVersion       = 0xc612
)

// walk takes the previews of every directory.
func (d *directories) walk() {
	const most = 64 // directories; files have fewer than ten
	left := []uint64{uint64(d.order.Uint32(d.src[4:]))}
	for n := 0; len(left) > 0 && n < most; n++ {
		at := left[0]
		left = append(left[1:], d.read(at)...)
		left = left[:min(len(left), most)]
	}
}

// read takes the previews of the directory at a place, and returns where further ones are.
func (d *directories) read(at uint64) (further []uint64) {
	const entry = 12
	size := uint64(len(d.src))
	if at < 8 || at+2 > size {
		return nil
	}
	n := uint64(d.order.Uint16(d.src[at:]))
	compression, photometric := uint64(0), uint64(0)
	var strips []uint64
	for i := range n {
		from := at + 2 + entry*i
		if from+entry > size {
			return further
		}
		e := d.src[from:][:entry]
		values := d.values(e)
		if len(values) == 0 {
			continue
		}
		switch d.order.Uint16(e) {
		case tagCompression:
			compression = values[0]
		case tagPhotometric:
			photometric = values[0]
		case tagStripOffsets:
			strips = values
		case tagSubIFDs:
			further = append(further, values...)
		case tagPreviewOffset:
			d.take(values[0])
		case tagPanasonicPreview:
			d.take(uint64(d.order.Uint32(e[8:])))
		case tagDNGVersion:
			d.dng = true
		}
	}
	const oldJPEG, newJPEG, sensor, linear = 6, 7, 32803, 34892
	if len(strips) == 1 && (compression == oldJPEG || compression == newJPEG) && photometric != sensor && photometric != linear {
		d.take(strips[0])
	}
	if end := at + 2 + entry*n; end+4 <= size {
		further = append(further, uint64(d.order.Uint32(d.src[end:])))
	}
	return further
}

// values returns the values of an entry, at most a few, if they are numbers or bytes.
func (d *directories) values(e []byte) (values []uint64) {
	const most = 16
	n := uint64(d.order.Uint32(e[4:]))
	size := uint64(4)
	switch d.order.Uint16(e[2:]) {
	case ifd.Short:
		size = 2
	case ifd.Long, ifd.IFD:
	case ifd.Byte, ifd.Undefined:
		return []uint64{uint64(e[8])}
	default:
		return nil
	}
	b := e[8:]
	if n*size > 4 {
		at := uint64(d.order.Uint32(b))
		if at > uint64(len(d.src)) {
			return nil
		}
		b = d.src[at:]
	}
	for i := range min(n, most) {
		switch {
		case uint64(len(b)) < (i+1)*size:
			return values
		case size == 2:
			values = append(values, uint64(d.order.Uint16(b[2*i:])))
		default:
			values = append(values, uint64(d.order.Uint32(b[4*i:])))
		}
	}
	return values
}

// pixelsOf returns how many pixels a JPEG has, or 0 for what is not a JPEG with samples of 8 bits
// in codes with loss: those without loss are the sensor's. It looks at no more segments than are
// left, and takes those that it has looked at from them.
func pixelsOf(b []byte, left *int) int64 {
	if len(b) < 4 || b[0] != 0xff || b[1] != 0xd8 {
		return 0
	}
	pixels := int64(0)
	for at := 2; at+4 <= len(b) && b[at] == 0xff && *left > 0; *left-- {
		marker, size := b[at+1], int(binary.BigEndian.Uint16(b[at+2:]))
		body := b[at+4:]
		if size < 2 || size-2 > len(body) {
			return 0
		}
		switch body = body[:size-2]; marker {
		case 0xda: // the scan
			return pixels
		case 0xc0, 0xc1, 0xc2:
			if len(body) < 6 || body[0] != 8 || body[5] != 1 && body[5] != 3 {
				return 0
			}
			pixels = int64(binary.BigEndian.Uint16(body[1:])) * int64(binary.BigEndian.Uint16(body[3:]))
		case 0xc3, 0xc5, 0xc6, 0xc7, 0xc9, 0xca, 0xcb, 0xcd, 0xce, 0xcf, 0xd8, 0xd9:
			return 0
		}
		at += 2 + size
	}
	return 0
}
