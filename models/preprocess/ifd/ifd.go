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
	SLong8    = 17
	IFD8      = 18
)

// typeSizes has the bytes of one value of each type; 0 for unknown types.
var typeSizes = [...]uint64{Byte: 1, ASCII: 1, Short: 2, Long: 4, Rational: 8, SByte: 1,
	Undefined: 1, SShort: 2, SLong: 4, SRational: 8, Float: 4, Double: 8, IFD: 4, Long8: 8, SLong8: 8, IFD8: 8}

// ByteOrder returns the byte order that the first bytes of a TIFF structure name. EXIF
// is also found with the other byte order's number 42, and Pillow takes even the number
// 43 of BigTIFF in one of them.
func ByteOrder(b []byte) (binary.ByteOrder, bool) {
	if len(b) < 8 {
		return nil, false
	}
	switch string(b[:4]) {
	case "II+\x00":
		if IsBig(b) {
			return binary.LittleEndian, true
		}
	case "II*\x00", "II\x00*":
		return binary.LittleEndian, true
	case "MM\x00*", "MM*\x00", "MM\x00+":
		return binary.BigEndian, true
	}
	return nil, false
}

// IsBig reports whether b begins as a BigTIFF does, whose offsets have 64 bits.
func IsBig(b []byte) bool {
	if len(b) < 16 {
		return false
	}
	head := string(b[:8])
	return head == "II+\x00\x08\x00\x00\x00" || head == "MM\x00+\x00\x08\x00\x00"
}

// A Directory is the first directory of a TIFF structure.
type Directory struct {
	Order   binary.ByteOrder
	Entries int // that it says it has
	b       []byte
	big     bool
}

// First returns the first directory of b, and whether b holds its beginning. b has at
// least 8 bytes.
func First(b []byte, order binary.ByteOrder) (Directory, bool) {
	if IsBig(b) {
		at, size := order.Uint64(b[8:]), uint64(len(b))
		if at > size-8 {
			return Directory{}, false
		}
		n := order.Uint64(b[at:])
		return Directory{order, int(min(n, 1<<31-1)), b[at+8:], true}, true
	}
	at := uint64(order.Uint32(b[4:]))
	if at+2 > uint64(len(b)) {
		return Directory{}, false
	}
	return Directory{order, int(order.Uint16(b[at:])), b[at+2:], false}, true
}

// entrySize returns the bytes of one entry.
func (d Directory) entrySize() int {
	if d.big {
		return 20
	}
	return 12
}

// Len returns how many of the entries are there in full.
func (d Directory) Len() int { return min(d.Entries, len(d.b)/d.entrySize()) }

// An Entry is one field of a directory.
type Entry struct {
	Tag, Type uint16
	Count     uint64 // values
	// Value is the field's values where they fit into its 4 bytes, or the 8 of BigTIFF.
	Value []byte
	// Offset is where in the structure they are otherwise.
	Offset uint64
}

// At returns entry i, below Len.
func (d Directory) At(i int) Entry {
	size := d.entrySize()
	e := d.b[i*size:][:size]
	if d.big {
		return Entry{d.Order.Uint16(e), d.Order.Uint16(e[2:]), d.Order.Uint64(e[4:]), e[12:], d.Order.Uint64(e[12:])}
	}
	return Entry{d.Order.Uint16(e), d.Order.Uint16(e[2:]), uint64(d.Order.Uint32(e[4:])), e[8:], uint64(d.Order.Uint32(e[8:]))}
}

// Values returns the field's values in b, the whole structure, and whether b holds them.
func (e Entry) Values(b []byte) ([]byte, bool) {
	unit, size := e.Size(), uint64(len(b))
	switch {
	case unit == 0 || e.Count > size && e.Count > uint64(len(e.Value)) || unit*e.Count > max(size, 8):
		return nil, false
	case unit*e.Count <= uint64(len(e.Value)):
		return e.Value[:unit*e.Count], true
	case e.Offset > size || unit*e.Count > size-e.Offset:
		return nil, false
	}
	return b[e.Offset:][:unit*e.Count], true
}

// Size returns the bytes of one value; 0 where the type is unknown.
func (e Entry) Size() uint64 {
	if int(e.Type) >= len(typeSizes) {
		return 0
	}
	return typeSizes[e.Type]
}
