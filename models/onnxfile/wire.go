package onnxfile

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"google.golang.org/protobuf/encoding/protowire"
)

// errWire means that bytes are not a protocol buffer, or not a whole one.
var errWire = errors.New("not a whole protocol buffer")

// walker reads a protocol buffer of known size field by field. It compares
// every length with what is left before it uses it, and reads into memory only
// what it is asked for.
type walker struct {
	r       *bufio.Reader
	size    int64
	pos     int64
	kept    int64
	readErr error // an error of r itself, as opposed to one in the content
}

// field is one field of a message: its value, or the range of its bytes.
type field struct {
	number     protowire.Number
	wire       protowire.Type
	varint     uint64 // the value of a VarintType
	tag        int64  // offset of the field's first byte
	start, end int64  // offsets of the content of a BytesType
}

func (f field) is(n protowire.Number, t protowire.Type) bool { return f.number == n && f.wire == t }

// message calls visit for every field up to offset end, and skips what visit
// did not read of a field.
func (w *walker) message(end int64, visit func(field) error) error {
	for w.pos < end {
		start := w.pos
		tag, err := w.varint(end)
		if err != nil {
			return err
		}
		number, wire := protowire.DecodeTag(tag)
		if number < protowire.MinValidNumber {
			return fmt.Errorf("%w: no field starts at byte %d", errWire, start)
		}
		f := field{number: number, wire: wire, tag: start, start: w.pos, end: w.pos}
		switch wire {
		case protowire.VarintType:
			f.varint, err = w.varint(end)
			f.end = w.pos
		case protowire.Fixed32Type:
			f.end += 4
		case protowire.Fixed64Type:
			f.end += 8
		case protowire.BytesType:
			var n uint64
			n, err = w.varint(end)
			f.start = w.pos
			if err == nil && n > uint64(end-w.pos) {
				return fmt.Errorf("%w: field %d at byte %d claims %d bytes, but only %d are there; the file may be truncated",
					errWire, number, start, n, end-w.pos)
			}
			f.end = w.pos + int64(n)
		default:
			return fmt.Errorf("%w: field %d at byte %d has wire type %d", errWire, number, start, wire)
		}
		if err != nil {
			return err
		}
		if f.end > end {
			return fmt.Errorf("%w: field %d at byte %d extends beyond byte %d, where its message ends; the file may be truncated",
				errWire, number, start, end)
		}
		if err := visit(f); err != nil {
			return err
		}
		if err := w.skip(f.end - w.pos); err != nil {
			return err
		}
	}
	return nil
}

// bytes reads the rest of a field, at most limit bytes, into memory.
func (w *walker) bytes(f field, limit int64) ([]byte, error) {
	n := f.end - w.pos
	w.kept += n + overhead
	if n > limit || w.kept > maxKept {
		return nil, fmt.Errorf("field %d at byte %d has %d bytes; at most %d, and %d for all names and declarations, are expected",
			f.number, f.start, n, limit, int64(maxKept))
	}
	p := make([]byte, n)
	got, err := io.ReadFull(w.r, p)
	w.pos += int64(got)
	return p, w.check(err)
}

// keep counts n bytes of memory that a field costs besides its own bytes.
func (w *walker) keep(n int64) error {
	if w.kept += n; w.kept > maxKept {
		return fmt.Errorf("there are more than %d bytes of names and declarations before byte %d", int64(maxKept), w.pos)
	}
	return nil
}

func (w *walker) skip(n int64) error {
	got, err := w.r.Discard(int(n))
	w.pos += int64(got)
	return w.check(err)
}

func (w *walker) varint(end int64) (uint64, error) {
	var buf [binary.MaxVarintLen64]byte
	for i := range buf {
		if w.pos >= end {
			return 0, fmt.Errorf("%w: a number is cut off at byte %d; the file may be truncated", errWire, end)
		}
		b, err := w.r.ReadByte()
		if err != nil {
			return 0, w.check(err)
		}
		w.pos++
		buf[i] = b
		if b < 0x80 {
			v, n := protowire.ConsumeVarint(buf[:i+1])
			if n < 0 {
				break
			}
			return v, nil
		}
	}
	return 0, fmt.Errorf("%w: no number ends at byte %d", errWire, w.pos)
}

// check tells a file that became shorter while it was read from a failing disk.
func (w *walker) check(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("%w: ends at byte %d of %d", errWire, w.pos, w.size)
	}
	w.readErr = err
	return err
}
