package row

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
)

// Format is how rows are written.
type Format string

// The formats. A format's name is also the extension of a part.
const (
	JSONL   Format = "jsonl"
	CSV     Format = "csv"
	Parquet Format = "parquet"
)

// Formats are all of them.
var Formats = []Format{JSONL, CSV, Parquet}

// ErrDamaged means that bytes are not rows as they were written.
var ErrDamaged = errors.New("the rows are damaged or of another job")

// ParseFormat returns the format of that name.
func ParseFormat(name string) (Format, error) {
	if f := Format(name); slices.Contains(Formats, f) {
		return f, nil
	}
	return "", fmt.Errorf("unknown format %q; there are %s, %s and %s", name, JSONL, CSV, Parquet)
}

// Writer writes one file of rows. Close ends the file; it does not close the
// writer below.
type Writer interface {
	Write(rows []Row) error
	Close() error
}

// NewWriter returns a writer of one file to w, of all rows together. Parquet in which every row has
// its vectors says in the schema of Arrow that they are lists of fixed size. Encode, which writes
// parts, does not: parts with failed images and without would have other types, and PyArrow up to
// release 19 reads no list of fixed size that is null.
func (s Schema) NewWriter(w io.Writer) (Writer, error) { return s.newWriter(w, true) }

func (s Schema) newWriter(w io.Writer, whole bool) (Writer, error) {
	s.Task = s.written()
	switch s.Format {
	case JSONL:
		return &textWriter{w: w, appendRow: appendJSONRow, schema: s}, nil
	case CSV:
		return &textWriter{w: w, header: csvHeader(s.Task), appendRow: appendCSVRow, schema: s}, nil
	case Parquet:
		return newParquetWriter(w, s.Task, whole), nil
	}
	_, err := ParseFormat(string(s.Format))
	return nil, err
}

// textWriter writes rows that are text, one after the other.
type textWriter struct {
	w         io.Writer
	header    string // not yet written
	appendRow func(buf []byte, r *Row, s *Schema) []byte
	schema    Schema
	buf       []byte
	r         Row // being written
}

func (t *textWriter) Write(rows []Row) error {
	t.buf = append(t.buf[:0], t.header...)
	t.header = ""
	for i := range rows {
		t.r = rows[i].written()
		t.buf = t.appendRow(t.buf, &t.r, &t.schema)
		if i == 0 { // the others are about as long
			t.buf = slices.Grow(t.buf, len(t.buf)*len(rows)*9/8)
		}
	}
	_, err := t.w.Write(t.buf)
	return err
}

func (t *textWriter) Close() error { return t.Write(nil) }

// Encode writes rows as one file. The same rows make the same bytes. Texts are
// made valid UTF-8, the exact path kept in PathBase64. An error means that a row
// holds a number that is not finite.
func (s Schema) Encode(rows []Row) ([]byte, error) {
	for i := range rows {
		if err := s.Task.finite(rows[i].Answer); err != nil {
			return nil, fmt.Errorf("row %d, %q: %w", i, rows[i].Path, err)
		}
	}
	var out bytes.Buffer
	w, err := s.newWriter(&out, false)
	if err != nil {
		return nil, err
	}
	if err := w.Write(rows); err != nil {
		return nil, fmt.Errorf("encode %s: %w", s.Format, err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("encode %s: %w", s.Format, err)
	}
	return out.Bytes(), nil
}

// Decode reads what Encode wrote: the same rows, an empty list being nil. It
// accepts exactly that, byte for byte; CheckMark checks their labels. Its errors are
// ErrDamaged, and their text says only where the bytes are wrong. More than most rows
// are such an error, too: memory is taken for the rows that are allowed, not for those
// that the bytes promise.
func (s Schema) Decode(body []byte, most int) ([]Row, error) {
	s.Task = s.written()
	rows, err := s.decode(body, most)
	if err != nil {
		return nil, damagedError{err}
	}
	return rows, nil
}

// tooMany is the error of a file with more rows than it can have.
func tooMany(most int) error { return fmt.Errorf("it has more than %d rows", most) }

// damagedError is ErrDamaged without its text: callers begin the message.
type damagedError struct{ cause error }

func (e damagedError) Error() string        { return e.cause.Error() }
func (e damagedError) Unwrap() error        { return e.cause }
func (e damagedError) Is(target error) bool { return target == ErrDamaged }

func (s Schema) decode(body []byte, most int) ([]Row, error) {
	switch s.Format {
	case JSONL:
		return decodeJSON(body, &s, most)
	case CSV:
		return decodeCSV(body, &s, most)
	case Parquet:
		return decodeParquet(body, &s, most)
	}
	_, err := ParseFormat(string(s.Format))
	return nil, err
}

// appendFloat appends the shortest decimal that is s as a float32, in a form
// that JSON takes. Unless f is Untyped, it has a point or an exponent.
func appendFloat(buf []byte, s float32, f Form) []byte {
	format := byte('f')
	if a := math.Abs(float64(s)); a != 0 && (a < 1e-6 || a >= 1e21) {
		format = 'e'
	}
	from := len(buf)
	buf = strconv.AppendFloat(buf, float64(s), format, -1, 32)
	if f >= Typed && !bytes.ContainsAny(buf[from:], ".e") {
		buf = append(buf, ".0"...)
	}
	return buf
}
