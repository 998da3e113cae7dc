package tiff

import (
	"github.com/batchscore/batchscore/models/preprocess/codec"
	"github.com/batchscore/batchscore/models/preprocess/ifd"
)

// DNG and CameraRaw are TIFFs that hold the samples of a camera's sensor, and are not
// decoded: their first picture is often a small preview.
var (
	DNG       = codec.Format{Name: "DNG", Extensions: "dng", Signatures: signatures, Match: isDNG}
	CameraRaw = codec.Format{Name: "camera raw", Extensions: "nef nrw arw sr2 pef srw", Signatures: signatures, Match: isRaw}
)

// isDNG reports whether the first directory of a TIFF says that the file is a DNG. That
// directory describes a preview, or samples of the sensor.
func isDNG(src []byte) bool {
	const tagDNGVersion = 0xc612
	_, found := firstValue(src, tagDNGVersion)
	return found
}

// isRaw reports whether a TIFF is a camera's raw file of another maker: one whose first
// directory says that it is a reduced picture from a camera, and that further directories
// hold the rest.
func isRaw(src []byte) bool {
	const (
		tagNewSubfileType = 0x00fe
		tagMake           = 0x010f
		tagSubIFDs        = 0x014a
	)
	kind, _ := firstValue(src, tagNewSubfileType)
	_, maker := firstValue(src, tagMake)
	_, more := firstValue(src, tagSubIFDs)
	return kind&1 != 0 && maker && more
}

// firstValue returns the first value of a tag in the first directory, where it fits into
// the entry, and whether the tag is there. Of several entries with the tag, the last
// counts.
func firstValue(src []byte, tag uint16) (value uint32, found bool) {
	order, ok := ifd.ByteOrder(src)
	if !ok {
		return 0, false
	}
	d, ok := ifd.First(src, order)
	if !ok {
		return 0, false
	}
	for i := range d.Len() {
		e := d.At(i)
		if e.Tag != tag {
			continue
		}
		found = true
		if value = order.Uint32(e.Value); e.Type == ifd.Short {
			value = uint32(order.Uint16(e.Value))
		}
	}
	return value, found
}
