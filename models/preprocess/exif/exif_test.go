package exif

import (
	"encoding/binary"
	"fmt"
	"math"
	"testing"

	"github.com/batchscore/batchscore/models/preprocess/codec"
	"github.com/batchscore/batchscore/models/preprocess/ifd"
)

const tagOrientation = 274

// data returns EXIF data with one field, whose values are behind the directory if they do
// not fit into it.
func data(order binary.AppendByteOrder, tag, kind uint16, count uint32, values []byte) []byte {
	b := []byte("II*\x00")
	if order == binary.AppendByteOrder(binary.BigEndian) {
		b = []byte("MM\x00*")
	}
	b = order.AppendUint32(b, 8)
	b = order.AppendUint16(b, 1)
	b = order.AppendUint16(b, tag)
	b = order.AppendUint16(b, kind)
	b = order.AppendUint32(b, count)
	if len(values) <= 4 {
		b = append(b, append(values, make([]byte, 4-len(values))...)...)
		return order.AppendUint32(b, 0)
	}
	b = order.AppendUint32(b, uint32(len(b)+8))
	b = order.AppendUint32(b, 0)
	return append(b, values...)
}

// TestFault35_Types tests an orientation of every type that a field may have.
func TestFault35_Types(t *testing.T) {
	for _, order := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
		u16 := func(v uint16) []byte { return order.AppendUint16(nil, v) }
		u32 := func(v ...uint32) (b []byte) {
			for _, v := range v {
				b = order.AppendUint32(b, v)
			}
			return b
		}
		u64 := func(v uint64) []byte { return order.AppendUint64(nil, v) }
		for _, c := range []struct {
			name   string
			kind   uint16
			count  uint32
			values []byte
			want   codec.Orientation
		}{
			{name: "SHORT", kind: ifd.Short, count: 1, values: u16(6), want: 6},
			{name: "two SHORT", kind: ifd.Short, count: 2, values: append(u16(3), u16(6)...), want: 3},
			{name: "SSHORT", kind: ifd.SShort, count: 1, values: u16(8), want: 8},
			{name: "LONG", kind: ifd.Long, count: 1, values: u32(5), want: 5},
			{name: "two LONG", kind: ifd.Long, count: 2, values: u32(4, 6), want: 4},
			{name: "SLONG", kind: ifd.SLong, count: 1, values: u32(2), want: 2},
			{name: "IFD", kind: ifd.IFD, count: 1, values: u32(7), want: 7},
			{name: "SBYTE", kind: ifd.SByte, count: 1, values: []byte{6}, want: 6},
			{name: "LONG8", kind: ifd.Long8, count: 1, values: u64(6), want: 6},
			{name: "RATIONAL", kind: ifd.Rational, count: 1, values: u32(12, 2), want: 6},
			{name: "RATIONAL of large numbers", kind: ifd.Rational, count: 1, values: u32(3<<30, 1<<30), want: 3},
			{name: "SRATIONAL of negative numbers", kind: ifd.SRational, count: 1, values: u32(1<<32-6, 1<<32-1), want: 6},
			{name: "RATIONAL that is not whole", kind: ifd.Rational, count: 1, values: u32(13, 2), want: 1},
			{name: "RATIONAL by zero", kind: ifd.Rational, count: 1, values: u32(6, 0), want: 1},
			{name: "FLOAT", kind: ifd.Float, count: 1, values: u32(math.Float32bits(6)), want: 6},
			{name: "DOUBLE", kind: ifd.Double, count: 1, values: u64(math.Float64bits(8)), want: 8},
			{name: "BYTE", kind: ifd.Byte, count: 1, values: []byte{6}, want: 1},
			{name: "an unknown type", kind: 99, count: 1, values: []byte{6, 6, 6, 6}, want: 1},
			{name: "zero", kind: ifd.Short, count: 1, values: u16(0), want: 1},
			{name: "nine", kind: ifd.Short, count: 1, values: u16(9), want: 1},
		} {
			t.Run(fmt.Sprintf("%s/%s", c.name, order), func(t *testing.T) {
				b := data(order, tagOrientation, c.kind, c.count, c.values)
				if got := (Metadata{EXIF: b}).Orientation(); got != c.want {
					t.Errorf("Orientation() = %d, want %d", got, c.want)
				}
				for n := range b { // a part must not be read past its end
					_ = Metadata{EXIF: append([]byte(nil), b[:n]...)}.Orientation()
				}
			})
		}
	}
}

// TestFault35_XMP tests when XMP is read: if EXIF data have no orientation, but not if they
// are damaged.
func TestFault35_XMP(t *testing.T) {
	turned := data(binary.LittleEndian, tagOrientation, ifd.Short, 1, []byte{3, 0})
	other := data(binary.LittleEndian, 256, ifd.Short, 1, []byte{3, 0})
	header := string(Header)
	for _, c := range []struct {
		name, exif, xmp string
		want            codec.Orientation
	}{
		{name: "nothing", want: 1},
		{name: "an attribute", xmp: `<rdf tiff:Orientation="6">`, want: 6},
		{name: "an element", xmp: `<tiff:Orientation>8</tiff:Orientation>`, want: 8},
		{name: "the first one that is a number", xmp: `tiff:Orientation tiff:Orientation="x" tiff:Orientation="5"`, want: 5},
		{name: "nine", xmp: `tiff:Orientation="9" tiff:Orientation="5"`, want: 1},
		{name: "EXIF first", exif: string(turned), xmp: `tiff:Orientation="6"`, want: 3},
		{name: "EXIF with its header", exif: header + string(turned), want: 3},
		{name: "EXIF with its header twice", exif: header + header + string(turned), want: 3},
		{name: "EXIF without the tag", exif: string(other), xmp: `tiff:Orientation="6"`, want: 6},
		{name: "EXIF that is only a header", exif: header, xmp: `tiff:Orientation="6"`, want: 6},
		{name: "damaged EXIF", exif: "damaged EXIF", xmp: `tiff:Orientation="6"`, want: 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := Metadata{XMP: []byte(c.xmp)}
			if c.exif != "" {
				m.EXIF = []byte(c.exif)
			}
			if got := m.Orientation(); got != c.want {
				t.Errorf("Orientation() = %d, want %d", got, c.want)
			}
		})
	}
}

// TestFault35_Overlap tests that values that together exceed the data are skipped.
func TestFault35_Overlap(t *testing.T) {
	order := binary.LittleEndian
	b := []byte("II*\x00\x08\x00\x00\x00\x03\x00")
	for _, e := range [][4]uint32{{1, ifd.Byte, 40, 0}, {tagOrientation, ifd.Byte, 40, 0}, {tagOrientation, ifd.Short, 1, 6}} {
		b = order.AppendUint16(b, uint16(e[0]))
		b = order.AppendUint16(b, uint16(e[1]))
		b = order.AppendUint32(b, e[2])
		b = order.AppendUint32(b, e[3])
	}
	if got, found := FromDirectory(b, order); got != 6 || !found {
		t.Errorf("FromDirectory() = %d, %t, want 6, true", got, found)
	}
}
