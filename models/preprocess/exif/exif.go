// Package exif finds how a picture is to be turned upright, in EXIF data and in XMP. The
// rules are those of Pillow's exif_transpose.
package exif

import (
	"bytes"
	"encoding/binary"
	"math"

	"github.com/batchscore/batchscore/models/preprocess/codec"
	"github.com/batchscore/batchscore/models/preprocess/ifd"
)

// Header is what EXIF data begin with in most containers.
var Header = []byte("Exif\x00\x00")

// Metadata are the parts of a file that may hold an orientation; nil where the file has
// none. They may share the file's memory.
type Metadata struct {
	EXIF []byte
	XMP  []byte // read where EXIF has no orientation
}

// Orientation returns the orientation that the metadata give, or 1.
func (m Metadata) Orientation() codec.Orientation {
	if m.EXIF != nil {
		if o, final := orientation(m.EXIF); final {
			return o
		}
	}
	return FromXMP(m.XMP)
}

// orientation returns the orientation that EXIF data give, and whether it is final: XMP
// is read where the data have no such tag. As in Pillow, damaged data are final.
func orientation(b []byte) (o codec.Orientation, final bool) {
	for range 2 { // some writers repeat it
		b = bytes.TrimPrefix(b, Header)
	}
	if len(b) == 0 {
		return 1, false
	}
	order, ok := ifd.ByteOrder(b)
	if !ok || ifd.IsBig(b) {
		return 1, true
	}
	return FromDirectory(b, order)
}

// FromDirectory looks for the orientation in the first directory of a TIFF structure,
// which is what EXIF is. A directory is read up to the first field whose values are
// missing. The first of several values counts. It may be of any numeric type but BYTE.
func FromDirectory(b []byte, order binary.ByteOrder) (o codec.Orientation, found bool) {
	const tagOrientation = 274
	size, total := uint64(len(b)), uint64(0)
	d, ok := ifd.First(b, order)
	if !ok {
		return 1, false
	}
	for i := range d.Len() {
		e := d.At(i)
		long := e.Size() * e.Count
		if e.Count > size+8 { // so that long may be wrong
			long = size + 1
		}
		if long > uint64(len(e.Value)) {
			if total = min(total+long, size+1); total > size {
				continue // values that overlap
			}
		}
		values, ok := e.Values(b)
		if long > 0 && !ok {
			return 1, false
		}
		if long > 0 && e.Tag == tagOrientation {
			return first(values, e.Type, order), true
		}
	}
	return 1, false
}

// first returns the first value of a field as an orientation, or 1 where it is none.
func first(values []byte, kind uint16, order binary.ByteOrder) codec.Orientation {
	v := 0.0
	switch kind {
	case ifd.Short, ifd.SShort: // the sign makes no difference to 1 to 8
		v = float64(order.Uint16(values))
	case ifd.Long, ifd.SLong, ifd.IFD:
		v = float64(order.Uint32(values))
	case ifd.SByte:
		v = float64(values[0])
	case ifd.Long8:
		v = float64(order.Uint64(values))
	case ifd.Rational, ifd.SRational:
		// As signed numbers, since only the quotient of two negative ones differs.
		num, den := int32(order.Uint32(values)), int32(order.Uint32(values[4:]))
		if kind == ifd.Rational && (num < 0 || den < 0) {
			v = float64(uint32(num)) / float64(uint32(den))
		} else {
			v = float64(num) / float64(den)
		}
	case ifd.Float:
		v = float64(math.Float32frombits(order.Uint32(values)))
	case ifd.Double:
		v = math.Float64frombits(order.Uint64(values))
	}
	if v >= 1 && v <= 8 && v == math.Trunc(v) {
		return codec.Orientation(v)
	}
	return 1
}

// FromXMP looks for tiff:Orientation as an attribute or an element, and returns its
// value or 1.
func FromXMP(b []byte) codec.Orientation {
	name := []byte("tiff:Orientation")
	for {
		i := bytes.Index(b, name)
		if i < 0 {
			return 1
		}
		b = b[i+len(name):]
		v, ok := bytes.CutPrefix(b, []byte(`="`))
		if !ok {
			v, ok = bytes.CutPrefix(b, []byte(">"))
		}
		if ok && len(v) > 0 && v[0] >= '0' && v[0] <= '9' {
			if v[0] >= '1' && v[0] <= '8' {
				return codec.Orientation(v[0] - '0')
			}
			return 1
		}
	}
}
