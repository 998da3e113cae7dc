// Package ifd reads image file directories: the structure of tagged fields that TIFF
// files and EXIF data consist of.
package ifd

import "encoding/binary"

// Types of a field's values. Those that nothing reads have a size only.
const (
	Byte      = 1
	ASCII     = 2
	Short     = 3
	Long      = 4
	Rational  = 5
	SByte     = 6
	Undefined = 7
	SShort    = 8
	SLong     = 9
	SRational = 10
	Float     = 11
	Double    = 12
	IFD       = 13
	Long8     = 16
)

// typeSizes has the bytes of one value of each type; 0 for unknown types.
var typeSizes = [...]uint64{Byte: 1, ASCII: 1, Short: 2, Long: 4, Rational: 8, SByte: 1,
	Undefined: 1, SShort: 2, SLong: 4, SRational: 8, Float: 4, Double: 8, IFD: 4, Long8: 8}

// ByteOrder returns the byte order that the first bytes of a TIFF structure name. EXIF
// is also found with the other byte order's number 42, and Pillow takes even the number
// 43 of BigTIFF in one of them.
func ByteOrder(b []byte) (binary.ByteOrder, bool) {
	if len(b) < 8 {
		return nil, false
	}
	switch string(b[:4]) {
	case "II*\x00", "II\x00*":
		return binary.LittleEndian, true
	case "MM\x00*", "MM*\x00", "MM\x00+":
		return binary.BigEndian, true
	}
	return nil, false
}

// A Directory is the first directory of a TIFF structure.
type Directory struct {
	Order   binary.ByteOrder
	Entries int // that it says it has
	b       []byte
}

// First returns the first directory of b, and whether b holds its beginning. b has at
// least 8 bytes.
func First(b []byte, order binary.ByteOrder) (Directory, bool) {
	at := uint64(order.Uint32(b[4:]))
	if at+2 > uint64(len(b)) {
		return Directory{}, false
	}
	return Directory{order, int(order.Uint16(b[at:])), b[at+2:]}, true
}

// entrySize is the bytes of one entry of a directory.
const entrySize = 12

// Len returns how many of the entries are there in full.
func (d Directory) Len() int { return min(d.Entries, len(d.b)/entrySize) }

// An Entry is one field of a directory.
type Entry struct {
	Tag, Type uint16
	Count     uint64 // values
	// Value is the field's values where they fit into its four bytes. Otherwise it is
	// their offset in the structure.
	Value []byte
}

// At returns entry i, below Len.
func (d Directory) At(i int) Entry {
	e := d.b[i*entrySize:][:entrySize]
	return Entry{d.Order.Uint16(e), d.Order.Uint16(e[2:]), uint64(d.Order.Uint32(e[4:])), e[8:]}
}

// Size returns the bytes of one value; 0 where the type is unknown.
func (e Entry) Size() uint64 {
	if int(e.Type) >= len(typeSizes) {
		return 0
	}
	return typeSizes[e.Type]
}
