package row

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// The metadata of Parquet is Thrift in its compact form. parquet-go takes the memory for as
// many elements as a list says that it has, before it reads them. measure walks over the
// bytes first.

// deepest is how far structs and lists in the metadata of a file may nest.
const deepest = 16

var errThrift = errors.New("its metadata is damaged")

// thriftWalk is a position in Thrift. The first error stays.
type thriftWalk struct {
	rest     []byte
	elements int // that lists may still have
	err      error
}

// measure returns how many bytes the struct has that data begins with. It is an error if
// the bytes hold no whole struct, or if lists in it have more than elements elements.
func measure(data []byte, elements int) (int, error) {
	w := thriftWalk{rest: data, elements: elements}
	w.fields(deepest)
	return len(data) - len(w.rest), w.err
}

func (w *thriftWalk) fail() {
	if w.err == nil {
		w.err = errThrift
	}
	w.rest = nil
}

func (w *thriftWalk) byte() byte {
	if len(w.rest) == 0 {
		w.fail()
		return 0
	}
	b := w.rest[0]
	w.rest = w.rest[1:]
	return b
}

func (w *thriftWalk) uvarint() uint64 {
	u, n := binary.Uvarint(w.rest)
	if n <= 0 {
		w.fail()
		return 0
	}
	w.rest = w.rest[n:]
	return u
}

func (w *thriftWalk) skip(n uint64) {
	if n > uint64(len(w.rest)) {
		w.fail()
		return
	}
	w.rest = w.rest[n:]
}

// fields walks over a struct.
func (w *thriftWalk) fields(depth int) {
	if depth == 0 {
		w.fail()
	}
	for w.err == nil {
		b := w.byte()
		if b == 0 {
			return
		}
		if b>>4 == 0 {
			w.uvarint() // its number
		}
		if kind := b & 15; kind > 2 { // the kind of a boolean is its value
			w.value(kind, depth-1)
		}
	}
}

// value walks over a value that is not a boolean field. The metadata of Parquet has no sets
// and no maps.
func (w *thriftWalk) value(kind byte, depth int) {
	switch kind {
	case 1, 2, 3: // in lists a boolean is a byte
		w.byte()
	case 4, 5, 6:
		w.uvarint()
	case 7:
		w.skip(8)
	case 8:
		w.skip(w.uvarint())
	case 9:
		w.list(depth)
	case 12:
		w.fields(depth)
	default:
		w.fail()
	}
}

func (w *thriftWalk) list(depth int) {
	b := w.byte()
	n := uint64(b >> 4)
	if n == 15 {
		n = w.uvarint()
	}
	if depth == 0 || n > uint64(len(w.rest)) {
		w.fail()
		return
	}
	if n > uint64(w.elements) {
		if w.err == nil {
			w.err = fmt.Errorf("its metadata has a list of %d elements", n)
		}
		w.rest = nil
		return
	}
	w.elements -= int(n)
	for ; n > 0 && w.err == nil; n-- {
		w.value(b&15, depth-1)
	}
}
