package row

import (
	"reflect"
	"strconv"

	"github.com/parquet-go/parquet-go"

	"github.com/batchscore/batchscore/shard/jsonform"
)

// implied is what columns have in common whose values follow from those of others. They
// spare readers to take a list apart. What is read of them is thrown away: text is
// accepted only if its rows are written to the same bytes again, and a Parquet file
// has a seal. Rows have such columns since Nullable.
type implied[A, V any] struct {
	column, key string
	// of returns the value; false if there is none.
	of func(a *A) (V, bool)
}

func newImplied[A, V any](name string, of func(a *A) (V, bool)) implied[A, V] {
	f := newField[A, V](name, nil)
	return implied[A, V]{column: f.column, key: f.key, of: of}
}

func (d *implied[A, V]) name() string              { return d.column }
func (d *implied[A, V]) in(form Form) bool         { return form >= Nullable }
func (d *implied[A, V]) equal(_, _ *A) bool        { return true }
func (d *implied[A, V]) finite(*A) error           { return nil }
func (d *implied[A, V]) parseCSV(string, *A) error { return nil }

type impliedWord[A any] struct{ implied[A, string] }

// impliedWordColumn is wordColumn for texts that follow from other columns; one that
// does not exist is empty.
func impliedWordColumn[A any](name string, of func(a *A) (string, bool)) column[A] {
	return &impliedWord[A]{newImplied(name, of)}
}

func (d *impliedWord[A]) text(a *A) string {
	s, _ := d.of(a)
	return s
}

func (d *impliedWord[A]) appendJSON(buf []byte, a *A, _ style) []byte {
	return jsonform.AppendString(append(buf, d.key...), d.text(a))
}

func (d *impliedWord[A]) parseJSON(p jsonform.Parser, _ *A, _ *memory) jsonform.Parser {
	p.Take(d.key)
	p.Text()
	return p
}

func (d *impliedWord[A]) appendCSV(buf []byte, a *A, _ style) []byte {
	return appendCSVText(buf, validText(d.text(a)))
}

func (d *impliedWord[A]) parquetField(Form) reflect.StructField {
	return parquetField(d.column, reflect.TypeFor[string](), ",dict")
}

func (d *impliedWord[A]) kind() Kind { return Word }

func (d *impliedWord[A]) value(a *A) Value {
	text, ok := d.of(a)
	return Value{Text: text, Unknown: !ok}
}

func (d *impliedWord[A]) appendParquet(w *parquetValues, a *A, _ style) { w.text(validText(d.text(a))) }
func (d *impliedWord[A]) readParquet(r *parquetColumns, _ *A)           { r.next() }

type impliedFloat[A any] struct{ implied[A, float32] }

// impliedFloatColumn is floatColumn for numbers that follow from other columns; one
// that does not exist, or is not finite, is left out.
func impliedFloatColumn[A any](name string, of func(a *A) (float32, bool)) column[A] {
	return &impliedFloat[A]{newImplied(name, func(a *A) (float32, bool) {
		v, ok := of(a)
		return v, ok && finite(v)
	})}
}

func (d *impliedFloat[A]) appendJSON(buf []byte, a *A, how style) []byte {
	buf = append(buf, d.key...)
	if v, ok := d.of(a); ok {
		return appendFloat(buf, v, how.form)
	}
	return append(buf, null...)
}

func (d *impliedFloat[A]) parseJSON(p jsonform.Parser, _ *A, _ *memory) jsonform.Parser {
	p.Take(d.key)
	if !p.Has(null) {
		p.Float()
	}
	return p
}

func (d *impliedFloat[A]) appendCSV(buf []byte, a *A, how style) []byte {
	if v, ok := d.of(a); ok {
		return appendFloat(buf, v, how.form)
	}
	return buf
}

func (d *impliedFloat[A]) parquetField(form Form) reflect.StructField {
	return parquetNumber[float32](d.column, form)
}

func (d *impliedFloat[A]) appendParquet(w *parquetValues, a *A, how style) {
	v, ok := d.of(a)
	w.number(parquet.FloatValue(v), how, !ok)
}

func (d *impliedFloat[A]) readParquet(r *parquetColumns, _ *A) { r.next() }

func (d *impliedFloat[A]) kind() Kind { return Number }

func (d *impliedFloat[A]) value(a *A) Value {
	v, ok := d.of(a)
	return Value{Number: float64(v), Unknown: !ok}
}

type impliedWhole[A any] struct{ implied[A, int] }

// impliedWholeColumn is integerColumn for numbers that follow from other columns, such as
// how many elements a list has.
func impliedWholeColumn[A any](name string, of func(a *A) int) column[A] {
	return &impliedWhole[A]{newImplied(name, func(a *A) (int, bool) { return of(a), true })}
}

func (d *impliedWhole[A]) number(a *A) int {
	n, _ := d.of(a)
	return n
}

func (d *impliedWhole[A]) appendJSON(buf []byte, a *A, how style) []byte {
	buf = append(buf, d.key...)
	if how.blank {
		return append(buf, null...)
	}
	return strconv.AppendInt(buf, int64(d.number(a)), 10)
}

func (d *impliedWhole[A]) parseJSON(p jsonform.Parser, _ *A, _ *memory) jsonform.Parser {
	p.Take(d.key)
	if !p.Has(null) {
		p.Int()
	}
	return p
}

func (d *impliedWhole[A]) appendCSV(buf []byte, a *A, how style) []byte {
	if how.blank {
		return buf
	}
	return strconv.AppendInt(buf, int64(d.number(a)), 10)
}

func (d *impliedWhole[A]) parquetField(form Form) reflect.StructField {
	return parquetNumber[int32](d.column, form)
}

func (d *impliedWhole[A]) appendParquet(w *parquetValues, a *A, how style) {
	w.number(parquet.Int32Value(int32(d.number(a))), how, how.blank)
}

func (d *impliedWhole[A]) readParquet(r *parquetColumns, _ *A) { r.next() }
func (d *impliedWhole[A]) kind() Kind                          { return Whole }
func (d *impliedWhole[A]) value(a *A) Value                    { return Value{Number: float64(d.number(a))} }
