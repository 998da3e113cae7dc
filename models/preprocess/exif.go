package preprocess

import (
	"bytes"
	"encoding/binary"
	"math"
)

var exifHeader = []byte("Exif\x00\x00")

// exifOrientation returns the orientation that EXIF data say, and whether they
// settle it: data without that tag leave it to XMP. It reads as Pillow does, for
// which damaged data settle it too.
func exifOrientation(b []byte) (o orientation, settled bool) {
	for range 2 { // some writers repeat it
		b = bytes.TrimPrefix(b, exifHeader)
	}
	if len(b) == 0 {
		return 1, false
	}
	order, ok := tiffByteOrder(b)
	if !ok {
		return 1, true
	}
	return dirOrientation(b, order)
}

// dirOrientation looks for the tag in the first directory of a TIFF structure,
// which is what EXIF is. A directory is read up to the first field whose values
// are not there. Of several values the first counts, and it may be of any type
// that is a number, apart from BYTE.
func dirOrientation(b []byte, order binary.ByteOrder) (o orientation, found bool) {
	size, total := uint64(len(b)), uint64(0)
	at := uint64(order.Uint32(b[4:]))
	if at+2 > size {
		return 1, false
	}
	n := order.Uint16(b[at:])
	at += 2
	for ; n > 0 && at+12 <= size; n-- {
		e := b[at:][:12]
		at += 12
		kind := order.Uint16(e[2:])
		long := tiffTypeSize(kind) * uint64(order.Uint32(e[4:]))
		values := e[8:]
		if long > 4 {
			if total += long; total > size {
				continue // values that overlap
			}
			from := uint64(order.Uint32(e[8:]))
			if from+long > size {
				return 1, false
			}
			values = b[from:]
		}
		if long > 0 && order.Uint16(e) == tagOrientation {
			return orientationValue(values, kind, order), true
		}
	}
	return 1, false
}

// orientationValue returns the first value of a field as an orientation, or 1
// where it is none.
func orientationValue(values []byte, kind uint16, order binary.ByteOrder) orientation {
	v := 0.0
	switch kind {
	case typeShort, typeSShort: // the sign makes no difference to 1 to 8
		v = float64(order.Uint16(values))
	case typeLong, typeSLong, typeIFD:
		v = float64(order.Uint32(values))
	case typeSByte:
		v = float64(values[0])
	case typeLong8:
		v = float64(order.Uint64(values))
	case typeRational, typeSRational:
		// As signed numbers, since only the quotient of two negative ones differs.
		num, den := int32(order.Uint32(values)), int32(order.Uint32(values[4:]))
		if kind == typeRational && (num < 0 || den < 0) {
			v = float64(uint32(num)) / float64(uint32(den))
		} else {
			v = float64(num) / float64(den)
		}
	case typeFloat:
		v = float64(math.Float32frombits(order.Uint32(values)))
	case typeDouble:
		v = math.Float64frombits(order.Uint64(values))
	}
	if v >= 1 && v <= 8 && v == math.Trunc(v) {
		return orientation(v)
	}
	return 1
}
