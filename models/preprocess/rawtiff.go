package preprocess

import "encoding/binary"

var tiffSignatures = []string{"II*\x00", "MM\x00*"}

// Tags by which a camera's raw file differs from any other TIFF.
const (
	tagNewSubfileType = 0x00fe
	tagMake           = 0x010f
	tagSubIFDs        = 0x014a
	tagDNGVersion     = 0xc612
)

// isDNG reports whether the first directory of a TIFF says that the file is a
// DNG. That directory describes a preview, or samples of the sensor.
func isDNG(src []byte) bool {
	_, ok := firstDirectory(src)[tagDNGVersion]
	return ok
}

// isRaw reports whether a TIFF is a camera's raw file of another maker: one whose
// first directory says that it is a reduced picture from a camera, and that
// further directories hold the rest.
func isRaw(src []byte) bool {
	d := firstDirectory(src)
	_, maker := d[tagMake]
	_, more := d[tagSubIFDs]
	return d[tagNewSubfileType]&1 != 0 && maker && more
}

// firstDirectory returns the entries of a TIFF's first directory with the first
// value of each, where it fits into the entry; nothing for what is not a TIFF.
func firstDirectory(src []byte) map[uint16]uint32 {
	if len(src) < 8 {
		return nil
	}
	var order binary.ByteOrder = binary.LittleEndian
	if src[0] == 'M' {
		order = binary.BigEndian
	}
	at := uint64(order.Uint32(src[4:]))
	if at+2 > uint64(len(src)) {
		return nil
	}
	entries := src[at+2:]
	n := min(int(order.Uint16(src[at:])), len(entries)/12)
	d := make(map[uint16]uint32, min(n, 64))
	for i := range n {
		e := entries[i*12:]
		const short = 3
		value := order.Uint32(e[8:])
		if order.Uint16(e[2:]) == short {
			value = uint32(order.Uint16(e[8:]))
		}
		d[order.Uint16(e)] = value
	}
	return d
}
