package output

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
)

// Format is how rows are written.
type Format string

// The formats. Its name is also the extension of a part.
const (
	JSONL   Format = "jsonl"
	CSV     Format = "csv"
	Parquet Format = "parquet"
)

// ParseFormat returns the format of that name.
func ParseFormat(name string) (Format, error) {
	switch f := Format(name); f {
	case JSONL, CSV, Parquet:
		return f, nil
	}
	return "", fmt.Errorf("%q is no format; there are %s, %s and %s", name, JSONL, CSV, Parquet)
}

// Form is all that decides how the rows of a job are written.
type Form struct {
	Format Format
	// Typed reports whether of the text formats every row shows the types of its
	// columns: a whole score has a decimal point, and each line of JSON has
	// path_base64, empty where the path says it all. Otherwise the rows have the
	// form of jobs that were begun before there was this one, in which readers
	// that guess types from the first lines take scores for whole numbers.
	Typed bool
}

// rowWriter writes one file of rows. Close ends the file, not what is below.
type rowWriter interface {
	Write(rows []Row) error
	Close() error
}

func newRowWriter(w io.Writer, f Form) (rowWriter, error) {
	switch f.Format {
	case JSONL:
		return &textWriter{w: w, row: appendJSONRow, typed: f.Typed}, nil
	case CSV:
		return &textWriter{w: w, header: csvHeader, row: appendCSVRow, typed: f.Typed}, nil
	case Parquet:
		return newParquetWriter(w), nil
	}
	_, err := ParseFormat(string(f.Format))
	return nil, err
}

// textWriter writes rows that are text, one after the other.
type textWriter struct {
	w      io.Writer
	header string // not yet written
	row    func(buf []byte, r *Row, typed bool) []byte
	typed  bool
	buf    []byte
	r      Row // being written
}

func (t *textWriter) Write(rows []Row) error {
	t.buf = append(t.buf[:0], t.header...)
	t.header = ""
	for i := range rows {
		t.r = rows[i].written()
		t.buf = t.row(t.buf, &t.r, t.typed)
		if i == 0 { // the others are about as long
			t.buf = slices.Grow(t.buf, len(t.buf)*len(rows)*9/8)
		}
	}
	_, err := t.w.Write(t.buf)
	return err
}

func (t *textWriter) Close() error { return t.Write(nil) }

// Encode writes rows as one file. The same rows make the same bytes. Texts are
// made valid UTF-8, the exact path kept in PathBase64. A score that is not a
// number is an error.
func Encode(rows []Row, f Form) ([]byte, error) {
	for i := range rows {
		if err := finite(&rows[i]); err != nil {
			return nil, fmt.Errorf("row %d, %q: %w", i, rows[i].Path, err)
		}
	}
	var out bytes.Buffer
	w, err := newRowWriter(&out, f)
	if err != nil {
		return nil, err
	}
	if err := w.Write(rows); err != nil {
		return nil, fmt.Errorf("encode %s: %w", f.Format, err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("encode %s: %w", f.Format, err)
	}
	return out.Bytes(), nil
}

func finite(r *Row) error {
	bad := func(s float32) bool { return math.IsNaN(float64(s)) || math.IsInf(float64(s), 0) }
	if bad(r.Score) {
		return fmt.Errorf("the score %v is not a number", r.Score)
	}
	for _, c := range r.TopK {
		if bad(c.Score) {
			return fmt.Errorf("the score %v of class %d is not a number", c.Score, c.ClassID)
		}
	}
	return nil
}

// Decode reads what Encode wrote: the same rows, an empty TopK being nil. Of
// the text formats it accepts exactly that, byte for byte. Errors name the
// line and wrap ErrMismatch.
func Decode(body []byte, f Form) ([]Row, error) {
	switch f.Format {
	case JSONL:
		return decodeJSON(body, f.Typed)
	case CSV:
		return decodeCSV(body, f.Typed)
	case Parquet:
		return decodeParquet(body)
	}
	_, err := ParseFormat(string(f.Format))
	return nil, err
}

// appendFloat appends the shortest decimal that is s as a float32, in a form
// that JSON takes. Typed, it has a point or an exponent.
func appendFloat(buf []byte, s float32, typed bool) []byte {
	format := byte('f')
	if a := math.Abs(float64(s)); a != 0 && (a < 1e-6 || a >= 1e21) {
		format = 'e'
	}
	from := len(buf)
	buf = strconv.AppendFloat(buf, float64(s), format, -1, 32)
	if typed && !bytes.ContainsAny(buf[from:], ".e") {
		buf = append(buf, ".0"...)
	}
	return buf
}
