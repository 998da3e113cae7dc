package exif

import (
	"encoding/binary"
	"testing"
)

// FuzzOrientation reads any bytes as EXIF data and as XMP, in either order of bytes.
func FuzzOrientation(f *testing.F) {
	f.Add([]byte("II*\x00\x08\x00\x00\x00\x01\x00\x12\x01\x03\x00\x01\x00\x00\x00\x06\x00\x00\x00\x00\x00\x00\x00"), []byte(nil))
	f.Add([]byte("Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00\x00\x00\x00\x00"), []byte(nil))
	f.Add([]byte("II+\x00\x08\x00\x00\x00\x10\x00\x00\x00\x00\x00\x00\x00"+
		"\x01\x00\x00\x00\x00\x00\x00\x00\x12\x01\x10\x00\xff\xff\xff\xff\xff\xff\xff\x1f\x00"), []byte(nil))
	f.Add([]byte{}, []byte(`<rdf:Description tiff:Orientation="6"/><tiff:Orientation>3</tiff:Orientation>`))
	f.Fuzz(func(t *testing.T, data, xmp []byte) {
		if o := (Metadata{EXIF: data, XMP: xmp}).Orientation(); o < 1 || o > 8 {
			t.Errorf("the orientation is %d", o)
		}
		if len(data) < 8 {
			return // callers have read so many
		}
		for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
			if o, _ := FromDirectory(data, order); o < 1 || o > 8 {
				t.Errorf("the orientation is %d", o)
			}
		}
	})
}
