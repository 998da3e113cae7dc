package row

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"

	"github.com/batchscore/batchscore/shard/jsonform"
)

// column is one column of answers of type A: its name, and how its values are
// written and read in every format. textColumn, wordColumn, integerColumn,
// floatColumn and classesColumn make columns.
type column[A any] interface {
	name() string
	equal(a, b *A) bool
	// finite returns an error if the value holds a number that is infinite or not
	// a number.
	finite(a *A) error

	// appendJSON appends a comma, the name and the value. parseJSON takes them off p and
	// returns the rest; a parser that is passed by value costs no allocation.
	appendJSON(buf []byte, a *A, typed bool) []byte
	parseJSON(p jsonform.Parser, a *A, m *memory) jsonform.Parser
	// appendCSV appends a field, quoted where that is needed.
	appendCSV(buf []byte, a *A, typed bool) []byte
	parseCSV(field string, a *A) error
	// parquetField is the column as a field of a Go struct, with parquet-go's tag.
	parquetField() reflect.StructField
	appendParquet(w *parquetValues, a *A)
	readParquet(r *parquetColumns, a *A)
}

// memory holds the lists of the answers of one part, which is read line by line.
type memory struct{ classes []Class }

// kind is how values of one Go type are written. Its methods are those of column,
// less the name.
type kind[V any] interface {
	equal(a, b *V) bool
	finite(v *V) error
	appendJSON(buf []byte, v *V, typed bool) []byte
	parseJSON(p jsonform.Parser, v *V, m *memory) jsonform.Parser
	appendCSV(buf []byte, v *V, typed bool) []byte
	parseCSV(field string, v *V) error
	goType() reflect.Type
	parquetTag() string
	appendParquet(w *parquetValues, v *V)
	readParquet(r *parquetColumns, v *V)
}

// field is a column of one kind.
type field[A, V any] struct {
	column string
	key    string // the name as JSON has it, with a comma before it
	of     func(a *A) *V
	kind   kind[V]
}

func newField[A, V any](name string, of func(a *A) *V, k kind[V]) column[A] {
	return &field[A, V]{column: name, key: `,"` + name + `":`, of: of, kind: k}
}

// textColumn returns a column of texts. Its distinct values are many.
func textColumn[A any](name string, of func(a *A) *string) column[A] {
	return newField(name, of, kind[string](text{}))
}

// wordColumn returns a column of texts with few distinct values, such as labels. In the
// text formats it is like textColumn.
func wordColumn[A any](name string, of func(a *A) *string) column[A] {
	return newField(name, of, kind[string](text{tag: ",dict"}))
}

// integerColumn returns a column of integers of 32 bits.
func integerColumn[A any](name string, of func(a *A) *int) column[A] {
	return newField(name, of, kind[int](integer{}))
}

// floatColumn returns a column of finite numbers.
func floatColumn[A any](name string, of func(a *A) *float32) column[A] {
	return newField(name, of, kind[float32](float{}))
}

func (f *field[A, V]) name() string       { return f.column }
func (f *field[A, V]) equal(a, b *A) bool { return f.kind.equal(f.of(a), f.of(b)) }

func (f *field[A, V]) finite(a *A) error {
	if err := f.kind.finite(f.of(a)); err != nil {
		return fmt.Errorf("%s: %w", f.column, err)
	}
	return nil
}

func (f *field[A, V]) appendJSON(buf []byte, a *A, typed bool) []byte {
	return f.kind.appendJSON(append(buf, f.key...), f.of(a), typed)
}

func (f *field[A, V]) parseJSON(p jsonform.Parser, a *A, m *memory) jsonform.Parser {
	p.Take(f.key)
	return f.kind.parseJSON(p, f.of(a), m)
}

func (f *field[A, V]) appendCSV(buf []byte, a *A, typed bool) []byte {
	return f.kind.appendCSV(buf, f.of(a), typed)
}

func (f *field[A, V]) parseCSV(field string, a *A) error {
	if err := f.kind.parseCSV(field, f.of(a)); err != nil {
		return fmt.Errorf("%s: %w", f.column, err)
	}
	return nil
}

func (f *field[A, V]) parquetField() reflect.StructField {
	return parquetField(f.column, f.kind.goType(), f.kind.parquetTag())
}

func (f *field[A, V]) appendParquet(w *parquetValues, a *A) { f.kind.appendParquet(w, f.of(a)) }
func (f *field[A, V]) readParquet(r *parquetColumns, a *A)  { f.kind.readParquet(r, f.of(a)) }

// errNotFinite means that a number cannot be written.
var errNotFinite = errors.New("not a finite number")

type text struct{ tag string }

func (text) parseJSON(p jsonform.Parser, v *string, _ *memory) jsonform.Parser {
	*v = p.Text()
	return p
}

func (text) equal(a, b *string) bool                         { return *a == *b }
func (text) finite(*string) error                            { return nil }
func (text) appendJSON(buf []byte, v *string, _ bool) []byte { return jsonform.AppendString(buf, *v) }
func (text) appendCSV(buf []byte, v *string, _ bool) []byte  { return appendCSVText(buf, validText(*v)) }
func (text) goType() reflect.Type                            { return reflect.TypeFor[string]() }
func (t text) parquetTag() string                            { return t.tag }
func (text) appendParquet(w *parquetValues, v *string)       { w.text(validText(*v)) }
func (text) readParquet(r *parquetColumns, v *string)        { *v = r.text() }

func (text) parseCSV(field string, v *string) error {
	*v = field
	return nil
}

type integer struct{}

func (integer) parseJSON(p jsonform.Parser, v *int, _ *memory) jsonform.Parser {
	*v = int(p.Int())
	return p
}

func (integer) equal(a, b *int) bool { return *a == *b }
func (integer) finite(*int) error    { return nil }
func (integer) appendJSON(buf []byte, v *int, _ bool) []byte {
	return strconv.AppendInt(buf, int64(*v), 10)
}
func (integer) appendCSV(buf []byte, v *int, _ bool) []byte {
	return strconv.AppendInt(buf, int64(*v), 10)
}
func (integer) goType() reflect.Type                   { return reflect.TypeFor[int32]() }
func (integer) parquetTag() string                     { return "" }
func (integer) appendParquet(w *parquetValues, v *int) { w.integer(int32(*v)) }
func (integer) readParquet(r *parquetColumns, v *int)  { *v = int(r.integer()) }

func (integer) parseCSV(field string, v *int) (err error) {
	*v, err = strconv.Atoi(field)
	return err
}

type float struct{}

func (float) parseJSON(p jsonform.Parser, v *float32, _ *memory) jsonform.Parser {
	*v = p.Float()
	return p
}

func (float) equal(a, b *float32) bool { return *a == *b }
func (float) appendJSON(buf []byte, v *float32, typed bool) []byte {
	return appendFloat(buf, *v, typed)
}
func (float) appendCSV(buf []byte, v *float32, typed bool) []byte { return appendFloat(buf, *v, typed) }
func (float) goType() reflect.Type                                { return reflect.TypeFor[float32]() }
func (float) parquetTag() string                                  { return "" }
func (float) appendParquet(w *parquetValues, v *float32)          { w.float(*v) }
func (float) readParquet(r *parquetColumns, v *float32)           { *v = r.float() }

func (float) finite(v *float32) error {
	if !finite(*v) {
		return fmt.Errorf("%v: %w", *v, errNotFinite)
	}
	return nil
}

func (float) parseCSV(field string, v *float32) error {
	f, err := strconv.ParseFloat(field, 32)
	*v = float32(f)
	return err
}

// Class is one of the best classes of an image.
type Class struct {
	ClassID int
	Label   string
	Score   float32
}

// classesColumn returns a column of lists of classes. In CSV a field holds the JSON of
// its list.
func classesColumn[A any](name string, of func(a *A) *[]Class) column[A] {
	return newField(name, of, kind[[]Class](classes{}))
}

type classes struct{}

func (classes) equal(a, b *[]Class) bool { return slices.Equal(*a, *b) }

func (classes) finite(v *[]Class) error {
	for _, c := range *v {
		if !finite(c.Score) {
			return fmt.Errorf("the score %v of class %d: %w", c.Score, c.ClassID, errNotFinite)
		}
	}
	return nil
}

func (classes) appendJSON(buf []byte, v *[]Class, typed bool) []byte {
	buf = append(buf, '[')
	for i, c := range *v {
		if i > 0 {
			buf = append(buf, ',')
		}
		buf = append(buf, `{"class_id":`...)
		buf = strconv.AppendInt(buf, int64(c.ClassID), 10)
		buf = append(buf, `,"label":`...)
		buf = jsonform.AppendString(buf, c.Label)
		buf = append(buf, `,"score":`...)
		buf = appendFloat(buf, c.Score, typed)
		buf = append(buf, '}')
	}
	return append(buf, ']')
}

// parseJSON reads an empty list as nil.
func (classes) parseJSON(p jsonform.Parser, v *[]Class, m *memory) jsonform.Parser {
	from := len(m.classes)
	p.Take(`[`)
	for !p.Has(`]`) {
		if len(m.classes) > from {
			p.Take(`,`)
		}
		if !p.Has(`{"class_id":`) {
			p.Take(`]`) // which does not come next
			break
		}
		var c Class
		c.ClassID = int(p.Int())
		p.Take(`,"label":`)
		c.Label = p.Text()
		p.Take(`,"score":`)
		c.Score = p.Float()
		p.Take(`}`)
		m.classes = append(m.classes, c)
	}
	*v = nil
	if n := len(m.classes); n > from {
		*v = m.classes[from:n:n]
	}
	return p
}

func (c classes) appendCSV(buf []byte, v *[]Class, typed bool) []byte {
	return appendCSVText(buf, string(c.appendJSON(nil, v, typed)))
}

func (c classes) parseCSV(field string, v *[]Class) error {
	if p := c.parseJSON(jsonform.Parse(field), v, new(memory)); !p.Done() {
		return fmt.Errorf("%q is not a list of classes", field)
	}
	return nil
}

// parquetClass is a Class in a Parquet file.
type parquetClass struct {
	ClassID int32   `parquet:"class_id"`
	Label   string  `parquet:"label,dict"`
	Score   float32 `parquet:"score"`
}

func (classes) goType() reflect.Type { return reflect.TypeFor[[]parquetClass]() }
func (classes) parquetTag() string   { return ",list" }

func (classes) appendParquet(w *parquetValues, v *[]Class) {
	w.list(len(*v), func(i int) { w.integer(int32((*v)[i].ClassID)) })
	w.list(len(*v), func(i int) { w.text(validText((*v)[i].Label)) })
	w.list(len(*v), func(i int) { w.float((*v)[i].Score) })
}

func (classes) readParquet(r *parquetColumns, v *[]Class) {
	*v = nil
	if n := r.length(); n > 0 {
		*v = make([]Class, n)
	}
	r.list(func(i int) { (*v)[i].ClassID = int(r.integer()) })
	r.list(func(i int) { (*v)[i].Label = r.text() })
	r.list(func(i int) { (*v)[i].Score = r.float() })
}
