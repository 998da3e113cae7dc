package preprocess

import (
	"bytes"
	"encoding/binary"
)



// tiffOrientation reads the orientation from the first directory of a TIFF
// structure, which is what EXIF is; 1 when it is absent or makes no sense.
func tiffOrientation(b []byte) orientation {
	if len(b) < 8 {
		return 1
	}
	var order binary.ByteOrder = binary.LittleEndian
	switch string(b[:4]) {
	case "II*\x00":
	case "MM\x00*":
		order = binary.BigEndian
	default:
		return 1
	}
	at := uint64(order.Uint32(b[4:]))
	if at+2 > uint64(len(b)) {
		return 1
	}
	entries := b[at+2:]
	n := min(int(order.Uint16(b[at:])), len(entries)/12)
	for i := range n {
		e := entries[i*12:]
		if order.Uint16(e) != tagOrientation {
			continue
		}
		const short = 3
		if o := order.Uint16(e[8:]); order.Uint16(e[2:]) == short && order.Uint32(e[4:]) == 1 && o >= 1 && o <= 8 {
			return orientation(o)
		}
		return 1
	}
	return 1
}

// exifOrientation is tiffOrientation behind the optional "Exif\0\0" header.
func exifOrientation(b []byte) orientation {
	return tiffOrientation(bytes.TrimPrefix(b, []byte("Exif\x00\x00")))
}

// tiffFileOrientation is the orientation of a TIFF's first picture.
func tiffFileOrientation(src []byte) orientation { return tiffOrientation(src) }
