package row

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"

	"github.com/parquet-go/parquet-go"

	"github.com/batchscore/batchscore/shard/jsonform"
)

// column is one column of answers of type A: its name, and how its values are
// written and read in every format. textColumn, wordColumn, integerColumn,
// floatColumn and classesColumn make columns, impliedWordColumn and impliedFloatColumn
// those that follow from others.
type column[A any] interface {
	name() string
	// rename is for a column that nobody else uses.
	rename(name string)
	// in reports whether files of that form have the column.
	in(form Form) bool
	equal(a, b *A) bool
	// finite returns an error if the value holds a number that is infinite or not
	// a number.
	finite(a *A) error

	// appendJSON appends a comma, the name and the value. parseJSON takes them off p and
	// returns the rest; a parser that is passed by value costs no allocation.
	appendJSON(buf []byte, a *A, how style) []byte
	parseJSON(p jsonform.Parser, a *A, m *memory) jsonform.Parser
	// appendCSV appends a field, quoted where that is needed.
	appendCSV(buf []byte, a *A, how style) []byte
	parseCSV(field string, a *A) error
	// parquetField is the column as a field of a Go struct, with parquet-go's tag.
	parquetField(form Form) reflect.StructField
	appendParquet(w *parquetValues, a *A, how style)
	readParquet(r *parquetColumns, a *A)

	// kind and value are the column for people who choose rows by it.
	kind() Kind
	value(a *A) Value
}

// memory holds the lists of the answers of one part, which is read line by line.
type memory struct {
	classes []Class
	numbers []float32
	boxes   []Box
}

// null is how JSON writes that there is no number.
const null = "null"

// errNotFinite means that a number cannot be written.
var errNotFinite = errors.New("not a finite number")

// field is what all columns have: a name, and where an answer holds the value.
type field[A, V any] struct {
	column string
	key    string // the name as JSON has it, with a comma before it
	of     func(a *A) *V
}

func newField[A, V any](name string, of func(a *A) *V) field[A, V] {
	return field[A, V]{column: name, key: columnKey(name), of: of}
}

// columnKey is the name of a column as JSON has it, with a comma before it.
func columnKey(name string) string { return `,"` + name + `":` }

func (f *field[A, V]) name() string { return f.column }
func (f *field[A, V]) in(Form) bool { return true }

// parquetNumber is a column of numbers of type N as a field of a Go struct.
func parquetNumber[N any](column string, form Form) reflect.StructField {
	tag := ""
	if form >= Nullable {
		tag = ",optional"
	}
	return parquetField(column, reflect.TypeFor[N](), tag)
}

// wrong adds the name of the column to an error; nil stays nil.
func (f *field[A, V]) wrong(err error) error {
	if err != nil {
		return fmt.Errorf("%s: %w", f.column, err)
	}
	return nil
}

// text is a column of texts.
type text[A any] struct {
	field[A, string]
	tag string // for parquet-go
}

// textColumn returns a column of texts. Its distinct values are many.
func textColumn[A any](name string, of func(a *A) *string) column[A] {
	return &text[A]{field: newField(name, of)}
}

// wordColumn returns a column of texts with few distinct values, such as labels. In the
// text formats it is like textColumn.
func wordColumn[A any](name string, of func(a *A) *string) column[A] {
	return &text[A]{field: newField(name, of), tag: ",dict"}
}

func (t *text[A]) equal(a, b *A) bool { return *t.of(a) == *t.of(b) }
func (t *text[A]) finite(*A) error    { return nil }

func (t *text[A]) appendJSON(buf []byte, a *A, _ style) []byte {
	return jsonform.AppendString(append(buf, t.key...), *t.of(a))
}

func (t *text[A]) parseJSON(p jsonform.Parser, a *A, _ *memory) jsonform.Parser {
	p.Take(t.key)
	*t.of(a) = p.Text()
	return p
}

func (t *text[A]) appendCSV(buf []byte, a *A, _ style) []byte {
	return appendCSVText(buf, validText(*t.of(a)))
}

func (t *text[A]) parseCSV(field string, a *A) error {
	*t.of(a) = field
	return nil
}

func (t *text[A]) parquetField(Form) reflect.StructField {
	return parquetField(t.column, reflect.TypeFor[string](), t.tag)
}

func (t *text[A]) appendParquet(w *parquetValues, a *A, _ style) { w.text(validText(*t.of(a))) }
func (t *text[A]) readParquet(r *parquetColumns, a *A)           { *t.of(a) = r.text() }

type integer[A any] struct{ field[A, int] }

// integerColumn returns a column of integers of 32 bits.
func integerColumn[A any](name string, of func(a *A) *int) column[A] {
	return &integer[A]{newField(name, of)}
}

func (i *integer[A]) equal(a, b *A) bool { return *i.of(a) == *i.of(b) }
func (i *integer[A]) finite(*A) error    { return nil }

func (i *integer[A]) appendJSON(buf []byte, a *A, how style) []byte {
	buf = append(buf, i.key...)
	if how.blank {
		return append(buf, null...)
	}
	return i.appendCSV(buf, a, how)
}

func (i *integer[A]) parseJSON(p jsonform.Parser, a *A, _ *memory) jsonform.Parser {
	p.Take(i.key)
	if !p.Has(null) {
		*i.of(a) = int(p.Int())
	}
	return p
}

func (i *integer[A]) appendCSV(buf []byte, a *A, how style) []byte {
	if how.blank {
		return buf
	}
	return strconv.AppendInt(buf, int64(*i.of(a)), 10)
}

func (i *integer[A]) parseCSV(field string, a *A) error {
	if field == "" {
		return nil
	}
	n, err := strconv.Atoi(field)
	*i.of(a) = n
	return i.wrong(err)
}

func (i *integer[A]) parquetField(form Form) reflect.StructField {
	return parquetNumber[int32](i.column, form)
}

func (i *integer[A]) appendParquet(w *parquetValues, a *A, how style) {
	w.number(parquet.Int32Value(int32(*i.of(a))), how, how.blank)
}

func (i *integer[A]) readParquet(r *parquetColumns, a *A) {
	if !r.null() {
		*i.of(a) = int(r.integer())
	}
}

type float[A any] struct{ field[A, float32] }

// floatColumn returns a column of finite numbers.
func floatColumn[A any](name string, of func(a *A) *float32) column[A] {
	return &float[A]{newField(name, of)}
}

func (f *float[A]) equal(a, b *A) bool { return *f.of(a) == *f.of(b) }

func (f *float[A]) finite(a *A) error {
	if v := *f.of(a); !finite(v) {
		return fmt.Errorf("%s: %v: %w", f.column, v, errNotFinite)
	}
	return nil
}

func (f *float[A]) appendJSON(buf []byte, a *A, how style) []byte {
	buf = append(buf, f.key...)
	if how.blank {
		return append(buf, null...)
	}
	return appendFloat(buf, *f.of(a), how.form)
}

func (f *float[A]) parseJSON(p jsonform.Parser, a *A, _ *memory) jsonform.Parser {
	p.Take(f.key)
	if !p.Has(null) {
		*f.of(a) = p.Float()
	}
	return p
}

func (f *float[A]) appendCSV(buf []byte, a *A, how style) []byte {
	if how.blank {
		return buf
	}
	return appendFloat(buf, *f.of(a), how.form)
}

func (f *float[A]) parseCSV(field string, a *A) error {
	if field == "" {
		return nil
	}
	v, err := strconv.ParseFloat(field, 32)
	*f.of(a) = float32(v)
	return f.wrong(err)
}

func (f *float[A]) parquetField(form Form) reflect.StructField {
	return parquetNumber[float32](f.column, form)
}

func (f *float[A]) appendParquet(w *parquetValues, a *A, how style) {
	w.number(parquet.FloatValue(*f.of(a)), how, how.blank)
}

func (f *float[A]) readParquet(r *parquetColumns, a *A) {
	if !r.null() {
		*f.of(a) = r.float()
	}
}

// Class is one of the best classes of an image.
type Class struct {
	ClassID int
	Label   string
	Score   float32
}

type classes[A any] struct{ field[A, []Class] }

// classesColumn returns a column of lists of classes. In CSV a field holds the JSON of
// its list.
func classesColumn[A any](name string, of func(a *A) *[]Class) column[A] {
	return &classes[A]{newField(name, of)}
}

func (c *classes[A]) equal(a, b *A) bool { return slices.Equal(*c.of(a), *c.of(b)) }

func (c *classes[A]) finite(a *A) error {
	for _, one := range *c.of(a) {
		if !finite(one.Score) {
			return fmt.Errorf("%s: the score %v of class %d: %w", c.column, one.Score, one.ClassID, errNotFinite)
		}
	}
	return nil
}

func (c *classes[A]) appendJSON(buf []byte, a *A, how style) []byte {
	return appendClasses(append(buf, c.key...), *c.of(a), how.form)
}

func (c *classes[A]) parseJSON(p jsonform.Parser, a *A, m *memory) jsonform.Parser {
	p.Take(c.key)
	p, *c.of(a) = parseClasses(p, m)
	return p
}

func (c *classes[A]) appendCSV(buf []byte, a *A, how style) []byte {
	return appendCSVText(buf, string(appendClasses(nil, *c.of(a), how.form)))
}

func (c *classes[A]) parseCSV(field string, a *A) error {
	p, list := parseClasses(jsonform.Parse(field), new(memory))
	if !p.Done() {
		return fmt.Errorf("%s: %q is not a list of classes", c.column, field)
	}
	*c.of(a) = list
	return nil
}

// appendClasses appends a list as JSON.
func appendClasses(buf []byte, list []Class, f Form) []byte {
	buf = append(buf, '[')
	for i, c := range list {
		if i > 0 {
			buf = append(buf, ',')
		}
		buf = append(buf, `{"class_id":`...)
		buf = strconv.AppendInt(buf, int64(c.ClassID), 10)
		buf = append(buf, `,"label":`...)
		buf = jsonform.AppendString(buf, c.Label)
		buf = append(buf, `,"score":`...)
		buf = appendFloat(buf, c.Score, f)
		buf = append(buf, '}')
	}
	return append(buf, ']')
}

// parseClasses takes a list off p and returns the rest. It reads an empty list as nil.
func parseClasses(p jsonform.Parser, m *memory) (jsonform.Parser, []Class) {
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
	if n := len(m.classes); n > from {
		return p, m.classes[from:n:n]
	}
	return p, nil
}

// parquetClass is a Class in a Parquet file.
type parquetClass struct {
	ClassID int32   `parquet:"class_id"`
	Label   string  `parquet:"label,dict"`
	Score   float32 `parquet:"score"`
}

func (c *classes[A]) parquetField(Form) reflect.StructField {
	return parquetField(c.column, reflect.TypeFor[[]parquetClass](), ",list")
}

func (c *classes[A]) appendParquet(w *parquetValues, a *A, _ style) {
	list := *c.of(a)
	w.list(len(list), func(i int) { w.integer(int32(list[i].ClassID)) })
	w.list(len(list), func(i int) { w.text(validText(list[i].Label)) })
	w.list(len(list), func(i int) { w.float(list[i].Score) })
}

func (c *classes[A]) readParquet(r *parquetColumns, a *A) {
	var list []Class
	if n := r.length(); n > 0 {
		list = make([]Class, n)
	}
	*c.of(a) = list
	r.list(func(i int) { list[i].ClassID = int(r.integer()) })
	r.list(func(i int) { list[i].Label = r.text() })
	r.list(func(i int) { list[i].Score = r.float() })
}
