package export

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"math"
	"strconv"
	"unicode/utf8"
)

// jsonWriter writes values as JSON, one after the other, and keeps the first error.
type jsonWriter struct {
	w    io.Writer
	buf  bytes.Buffer
	enc  *json.Encoder
	fail error
}

func newJSONWriter(w io.Writer) *jsonWriter {
	j := &jsonWriter{w: w}
	j.enc = json.NewEncoder(&j.buf)
	j.enc.SetEscapeHTML(false)
	return j
}

// text writes a text as it is.
func (j *jsonWriter) text(s string) {
	if j.fail == nil {
		_, j.fail = io.WriteString(j.w, s)
	}
}

// value writes a value, without a newline after it.
func (j *jsonWriter) value(v any) {
	if j.fail != nil {
		return
	}
	j.buf.Reset()
	if j.fail = j.enc.Encode(v); j.fail == nil {
		_, j.fail = j.w.Write(bytes.TrimSuffix(j.buf.Bytes(), []byte("\n")))
	}
}

// list writes values as the elements of a list, each on a line of its own.
type jsonList struct {
	*jsonWriter
	n int
}

// add writes one more element.
func (l *jsonList) add(v any) {
	if l.n++; l.n > 1 {
		l.text(",")
	}
	l.text("\n")
	l.value(v)
}

// jsonScore is a score as JSON. It has the fewest digits that tell it from other floats of 32
// bits, and a decimal point, so that no reader takes a column of them for integers.
type jsonScore float32

// MarshalJSON implements json.Marshaler.
func (s jsonScore) MarshalJSON() ([]byte, error) {
	if f := float64(s); math.IsNaN(f) || math.IsInf(f, 0) {
		return []byte("null"), nil
	}
	text := strconv.AppendFloat(nil, float64(s), 'f', -1, 32)
	if !bytes.ContainsRune(text, '.') {
		text = append(text, ".0"...)
	}
	return text, nil
}

// exactName returns the bytes of a name that is not valid UTF-8 in base64, and "" for every
// other: what shows the name has U+FFFD in place of such bytes.
func exactName(name string) string {
	if utf8.ValidString(name) {
		return ""
	}
	return base64.StdEncoding.EncodeToString([]byte(name))
}
