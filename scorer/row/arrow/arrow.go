// Package arrow writes the schema of Apache Arrow that a Parquet file may carry in its footer,
// under [Key]. Parquet has no lists of fixed size: with this schema, readers that know it take a
// list column as one of fixed size, as searches among vectors want it. The others do not look at it.
//
// The bytes are a message of Arrow's IPC format, version V5, whose tables are FlatBuffers: see
// format/Schema.fbs and format/Message.fbs of Apache Arrow.
package arrow

import (
	"encoding/base64"
	"encoding/binary"
)

// Key is the key of the schema among the key-value metadata of a Parquet file.
const Key = "ARROW:schema"

// Kind is the type of a field. Its value is that of the union Type in Schema.fbs.
type Kind byte

// The kinds of fields that rows have.
const (
	Int           Kind = 2
	Float32       Kind = 3
	UTF8          Kind = 5
	Bool          Kind = 6
	List          Kind = 12 // of its one child
	Struct        Kind = 13 // of its children
	FixedSizeList Kind = 16 // Size of its one child
)

// Field is a column, or what a list or a struct has.
type Field struct {
	Name     string
	Kind     Kind
	Nullable bool
	Bits     int // of a signed Int: 8, 16, 32 or 64
	Size     int // elements of a FixedSizeList
	Children []Field
}

// Metadata returns the value of Key: the schema of those columns in base64.
func Metadata(columns []Field) string {
	const v5, schema = 4, 1
	b := buffer(make([]byte, 12)) // the mark of a message, its length, and where its table is
	root := b.table(number(2, v5), number(1, schema), reference(func() int {
		return b.table(number(2, 0), reference(func() int { return b.fields(columns) })) // little endian
	}))
	b.point(8, root)
	b.align(8, 0)
	binary.LittleEndian.PutUint32(b, 0xffffffff)
	binary.LittleEndian.PutUint32(b[4:], uint32(len(b)-8))
	return base64.StdEncoding.EncodeToString(b)
}

// buffer is FlatBuffers that are written from their begin: what a table refers to follows it.
type buffer []byte

// slot is a field of a table: a number of size bytes, or the place of what write appends. One of
// size 0 is left out.
type slot struct {
	size  int
	value uint64
	write func() (place int)
}

func number(size int, value uint64) slot { return slot{size: size, value: value} }

func reference(write func() int) slot { return slot{size: 4, write: write} }

func truth(b bool) slot {
	if b {
		return number(1, 1)
	}
	return slot{}
}

// align appends zeros until the position after further bytes is a multiple of n.
func (b *buffer) align(n, further int) {
	for (len(*b)+further)%n != 0 {
		*b = append(*b, 0)
	}
}

// point makes the offset at a position that of a place behind it.
func (b buffer) point(at, place int) { binary.LittleEndian.PutUint32(b[at:], uint32(place-at)) }

// table appends a table and what it refers to, and returns its place.
func (b *buffer) table(slots ...slot) int {
	offsets, end := make([]int, len(slots)), 4 // of the slots in the table; 0 of those left out
	for i, s := range slots {
		if s.size > 0 {
			offsets[i] = (end + s.size - 1) / s.size * s.size
			end = offsets[i] + s.size
		}
	}
	index := 4 + 2*len(slots) // bytes of the list of offsets, which comes first
	b.align(8, index)
	*b = binary.LittleEndian.AppendUint16(*b, uint16(index))
	*b = binary.LittleEndian.AppendUint16(*b, uint16(end))
	for _, at := range offsets {
		*b = binary.LittleEndian.AppendUint16(*b, uint16(at))
	}
	place := len(*b)
	*b = append(*b, make([]byte, end)...)
	binary.LittleEndian.PutUint32((*b)[place:], uint32(index))
	for i, s := range slots {
		at := place + offsets[i]
		if s.write != nil {
			target := s.write()
			b.point(at, target)
			continue
		}
		for k := range s.size {
			(*b)[at+k] = byte(s.value >> (8 * k))
		}
	}
	return place
}

// text appends a string.
func (b *buffer) text(s string) int {
	b.align(4, 0)
	place := len(*b)
	*b = binary.LittleEndian.AppendUint32(*b, uint32(len(s)))
	*b = append(append(*b, s...), 0)
	return place
}

// fields appends a list of fields.
func (b *buffer) fields(all []Field) int {
	b.align(4, 0)
	place := len(*b)
	*b = binary.LittleEndian.AppendUint32(*b, uint32(len(all)))
	*b = append(*b, make([]byte, 4*len(all))...)
	for i := range all {
		target := b.field(&all[i])
		b.point(place+4+4*i, target)
	}
	return place
}

func (b *buffer) field(f *Field) int {
	return b.table(reference(func() int { return b.text(f.Name) }), truth(f.Nullable), number(1, uint64(f.Kind)),
		reference(func() int {
			switch f.Kind {
			case Int:
				return b.table(number(4, uint64(f.Bits)), truth(true)) // signed
			case Float32:
				return b.table(number(2, 1)) // single precision
			case FixedSizeList:
				return b.table(number(4, uint64(f.Size)))
			}
			return b.table()
		}),
		slot{}, // no dictionary
		reference(func() int { return b.fields(f.Children) }))
}
