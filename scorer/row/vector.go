package row

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/parquet-go/parquet-go"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/float16"
	"github.com/batchscore/batchscore/shard/jsonform"
)

// vector is a column of lists of numbers, all of the same length. An image that failed has
// none.
type vector[A any] struct {
	field[A, []float32]
	whole bool // the numbers are integers of 8 bits
}

// vectorColumn returns a column of vectors. In CSV a field holds the JSON of its list.
func vectorColumn[A any](name string, whole bool, of func(a *A) *[]float32) column[A] {
	return &vector[A]{newField(name, of), whole}
}

func (c *vector[A]) equal(a, b *A) bool { return slices.Equal(*c.of(a), *c.of(b)) }

func (c *vector[A]) finite(a *A) error {
	for i, v := range *c.of(a) {
		if !finite(v) {
			return fmt.Errorf("%s: number %d is %v: %w", c.column, i, v, errNotFinite)
		}
	}
	return nil
}

func (c *vector[A]) append(buf []byte, list []float32, form Form) []byte {
	if !c.whole {
		return appendVector(buf, list, form)
	}
	buf = append(buf, '[')
	for i, v := range list {
		if i > 0 {
			buf = append(buf, ',')
		}
		buf = strconv.AppendInt(buf, int64(v), 10)
	}
	return append(buf, ']')
}

// appendVector appends a list of numbers as JSON.
func appendVector(buf []byte, list []float32, form Form) []byte {
	buf = append(buf, '[')
	for i, v := range list {
		if i > 0 {
			buf = append(buf, ',')
		}
		buf = appendFloat(buf, v, form)
	}
	return append(buf, ']')
}

func (c *vector[A]) appendJSON(buf []byte, a *A, how style) []byte {
	buf = append(buf, c.key...)
	if *c.of(a) == nil {
		return append(buf, null...)
	}
	return c.append(buf, *c.of(a), how.form)
}

func (c *vector[A]) parseJSON(p jsonform.Parser, a *A, m *memory) jsonform.Parser {
	p.Take(c.key)
	if p.Has(null) {
		return p
	}
	p, *c.of(a) = parseVector(p, m)
	return p
}

// parseVector takes a list off p and returns the rest.
func parseVector(p jsonform.Parser, m *memory) (jsonform.Parser, []float32) {
	from := len(m.numbers)
	p.Take(`[`)
	for !p.Has(`]`) {
		if len(m.numbers) > from && !p.Has(`,`) {
			p.Take(`]`) // which does not come next
			break
		}
		m.numbers = append(m.numbers, p.Float())
	}
	n := len(m.numbers)
	return p, m.numbers[from:n:n]
}

func (c *vector[A]) appendCSV(buf []byte, a *A, how style) []byte {
	if *c.of(a) == nil {
		return buf
	}
	return appendCSVText(buf, string(c.append(nil, *c.of(a), how.form)))
}

func (c *vector[A]) parseCSV(field string, a *A) error {
	if field == "" {
		return nil
	}
	p, list := parseVector(jsonform.Parse(field), new(memory))
	if !p.Done() {
		return fmt.Errorf("%s: %.100q is not a list of numbers", c.column, field)
	}
	*c.of(a) = list
	return nil
}

func (c *vector[A]) parquetField(Form) reflect.StructField {
	typ := reflect.TypeFor[[]float32]()
	if c.whole {
		typ = reflect.TypeFor[[]int8]()
	}
	return parquetField(c.column, typ, ",optional,list")
}

func (c *vector[A]) appendParquet(w *parquetValues, a *A, _ style) {
	list := *c.of(a)
	w.optionalList(list == nil, len(list), func(i int) {
		if c.whole {
			w.add(parquet.Int32Value(int32(list[i])))
		} else {
			w.float(list[i])
		}
	})
}

func (c *vector[A]) readParquet(r *parquetColumns, a *A) {
	var list []float32
	if n := r.length(); n > 0 {
		list = make([]float32, n)
	}
	*c.of(a) = list
	r.list(func(i int) {
		if c.whole {
			list[i] = float32(r.integer())
		} else {
			list[i] = r.float()
		}
	})
}

func (c *vector[A]) kind() Kind       { return Vector }
func (c *vector[A]) value(a *A) Value { return Value{Vector: *c.of(a), Unknown: *c.of(a) == nil} }

// vectorCell returns the begin of a vector, for people.
func vectorCell(list []float32) string {
	var all []string
	for _, v := range list[:min(len(list), 4)] {
		all = append(all, strconv.FormatFloat(float64(v), 'f', 4, 64))
	}
	if len(list) > len(all) {
		all = append(all, fmt.Sprintf("... (%d numbers)", len(list)))
	}
	return strings.Join(all, " ")
}

// Npy is NumPy's format of one matrix, which merge writes of vectors. Parts do not have it.
const Npy Format = "npy"

// vectors are what a task says of its vectors.
type vectors[A any] struct {
	dims    int
	element models.Element
	of      func(a *A) []float32 // nil for an image that failed
}

// NewVectorWriter returns a writer of a matrix [rows][numbers] in NumPy's format .npy, little
// endian and in C order. Row i is that of row i of the output. Where an image failed, all its
// numbers are NaN, or -128 in a matrix of int8, which no vector has. Writing another number of
// rows is an error. Other tasks than Embed and Raw are ErrNoVector.
func (s Schema) NewVectorWriter(w io.Writer, rows int) (Writer, error) {
	dims, element := s.Task.matrix()
	if dims == 0 {
		return nil, fmt.Errorf("%w: they are those of the task %s", ErrNoVector, s.Task.Name())
	}
	kind := map[models.Element]string{models.ElementFloat16: "<f2", models.ElementInt8: "|i1"}[element]
	if kind == "" {
		kind = "<f4"
	}
	header := fmt.Sprintf("{'descr': '%s', 'fortran_order': False, 'shape': (%d, %d), }", kind, rows, dims)
	const before = 10 // bytes of magic, version and length
	header += strings.Repeat(" ", 63-(before+len(header))%64) + "\n"
	n := &npyWriter{w: w, task: s.Task, dims: dims, element: element, left: rows}
	n.buf.WriteString("\x93NUMPY\x01\x00")
	n.buf.Write(binary.LittleEndian.AppendUint16(nil, uint16(len(header))))
	n.buf.WriteString(header)
	return n, nil
}

// npyWriter writes one matrix.
type npyWriter struct {
	w       io.Writer
	task    Task
	dims    int
	element models.Element
	left    int // rows that are to come
	buf     bytes.Buffer
	row     []byte
}

func (n *npyWriter) Write(rows []Row) error {
	for i := range rows {
		vector := n.task.numbersOf(&rows[i])
		if len(vector) != n.dims && vector != nil {
			return fmt.Errorf("a vector of %d numbers for image %q; the others have %d", len(vector), rows[i].Path, n.dims)
		}
		n.row = n.row[:0]
		for k := range n.dims {
			v, missing := float32(math.NaN()), vector == nil
			if !missing {
				v = vector[k]
			}
			switch {
			case n.element == models.ElementInt8 && missing:
				n.row = append(n.row, 0x80) // -128
			case n.element == models.ElementInt8:
				n.row = append(n.row, byte(int8(v)))
			case n.element == models.ElementFloat16:
				n.row = binary.LittleEndian.AppendUint16(n.row, float16.Bits(v))
			default:
				n.row = binary.LittleEndian.AppendUint32(n.row, math.Float32bits(v))
			}
		}
		n.buf.Write(n.row)
		n.left--
	}
	return n.flush()
}

func (n *npyWriter) flush() error {
	_, err := n.w.Write(n.buf.Bytes())
	n.buf.Reset()
	return err
}

func (n *npyWriter) Close() error {
	if n.left != 0 {
		return fmt.Errorf("%d rows are missing in the matrix", n.left)
	}
	return n.flush()
}

// matrix returns how many numbers a vector has, and of which element they are; 0 if the
// answers are not vectors.
func (t *task[A]) matrix() (dims int, element models.Element) {
	if t.vectors == nil {
		return 0, ""
	}
	return t.vectors.dims, t.vectors.element
}

// numbersOf returns the vector of a row; nil if the image failed.
func (t *task[A]) numbersOf(r *Row) []float32 {
	if r.Status != StatusOK {
		return nil
	}
	return t.vectors.of(t.of(r.Answer))
}

// HasVectors reports whether the answers of a task are vectors, as NewVectorWriter wants them.
func HasVectors(t Task) bool {
	dims, _ := t.matrix()
	return dims > 0
}
