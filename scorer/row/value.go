package row

import (
	"slices"
	"strconv"
	"strings"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/shard/jsonform"
)

// Kind is what the values of a column are.
type Kind int

// The kinds of columns.
const (
	Text    Kind = iota // a text; its distinct values are many
	Word                // a text with few distinct values, such as a label
	Whole               // a whole number
	Number              // a number of 32 bits
	List                // classes, best first
	Vector              // numbers in an order that means something
	BoxList             // boxes, best first
)

// Value is what one column of one row holds.
type Value struct {
	Text    string  // of a Text or a Word
	Number  float64 // of a Whole or a Number
	Classes []Class // of a List
	Vector  []float32
	Boxes   []Box // of a BoxList
	// Unknown reports whether the row does not hold the value: an image that failed
	// has no answer.
	Unknown bool
}

// Column is a column by which people choose, sort and print rows.
type Column struct {
	Name string
	Kind Kind
	// Of returns the value of a row. Its texts and lists are parts of the row.
	Of func(r *Row) Value
	// Parse reads a value of a column of numbers; nil takes numbers without a unit.
	Parse func(text string) (float64, error)
}

// Numeric reports whether the values are numbers.
func (c *Column) Numeric() bool { return c.Kind == Whole || c.Kind == Number }

// Cell returns the value of a row for people: numbers with four decimals, and a dash
// for what is not known.
func (c *Column) Cell(r *Row) string {
	v := c.Of(r)
	switch {
	case v.Unknown:
		return "-"
	case c.Kind == Whole:
		return strconv.FormatFloat(v.Number, 'f', 0, 64)
	case c.Kind == Number:
		return strconv.FormatFloat(v.Number, 'f', 4, 64)
	case c.Kind == List:
		var all []string
		for _, one := range v.Classes {
			all = append(all, one.Label+" "+strconv.FormatFloat(float64(one.Score), 'f', 4, 64))
		}
		return strings.Join(all, ", ")
	case c.Kind == Vector:
		return vectorCell(v.Vector)
	case c.Kind == BoxList:
		var all []string
		for i := range v.Boxes {
			all = append(all, v.Boxes[i].String())
		}
		return strings.Join(all, ", ")
	}
	return v.Text
}

// Labelled reports whether the values have labels, by which rows can be chosen.
func (c *Column) Labelled() bool { return c.Kind == List || c.Kind == BoxList }

// Ordered reports whether rows can be sorted by the values.
func (c *Column) Ordered() bool { return c.Kind < List }

// Tabular reports whether a table for people has the column: not vectors, and not the list of
// the best classes, which other columns are about.
func (c *Column) Tabular() bool { return c.Kind != Vector && c.Name != "topk" }

// HasLabel reports whether accept is true for a label of the value.
func (v *Value) HasLabel(accept func(label string) bool) bool {
	return slices.ContainsFunc(v.Classes, func(c Class) bool { return accept(c.Label) }) ||
		slices.ContainsFunc(v.Boxes, func(b Box) bool { return accept(b.Label) })
}

// Field returns the value of a row for programs, as CSV holds it: numbers in full,
// lists as JSON, and nothing for what is not known.
func (c *Column) Field(r *Row) string {
	v := c.Of(r)
	switch {
	case v.Unknown:
		return ""
	case c.Kind == Text || c.Kind == Word:
		return validText(v.Text)
	}
	return string(c.AppendJSON(nil, r))
}

// AppendJSON appends the value of a row as JSON, null for what is not known.
func (c *Column) AppendJSON(buf []byte, r *Row) []byte {
	v := c.Of(r)
	switch {
	case v.Unknown:
		return append(buf, null...)
	case c.Kind == Whole:
		return strconv.AppendInt(buf, int64(v.Number), 10)
	case c.Kind == Number:
		return appendFloat(buf, float32(v.Number), Newest)
	case c.Kind == List:
		return appendClasses(buf, v.Classes, Newest)
	case c.Kind == Vector:
		return appendVector(buf, v.Vector, Newest)
	case c.Kind == BoxList:
		return appendBoxes(buf, v.Boxes, Newest)
	}
	return jsonform.AppendString(buf, validText(v.Text))
}

// Columns returns the columns by which rows can be chosen and sorted: those that are
// written, in that order, and after the answer those that follow from it, such as
// the certainty.
func (s Schema) Columns() []Column {
	all := []Column{
		{Name: "path", Kind: Text, Of: func(r *Row) Value { return Value{Text: r.Path} }},
		{Name: "path_base64", Kind: Text, Of: func(r *Row) Value { return Value{Text: r.PathBase64} }},
		{Name: "size", Kind: Whole, Of: func(r *Row) Value { return Value{Number: float64(r.Size)} }},
		{Name: "status", Kind: Word, Of: func(r *Row) Value { return Value{Text: r.Status} }},
	}
	all = append(all, s.Shown().answerColumns(s.Activation)...)
	return append(all, Column{Name: "error", Kind: Text, Of: func(r *Row) Value { return Value{Text: r.Error} }})
}

// Certainty is the name of the column that says how sure an answer is, in tasks that
// can say it: 0 is undecided.
const Certainty = "certainty"

// answerColumns returns the columns of the answer, and those that follow from it.
func (t *task[A]) answerColumns(activation models.Activation) []Column {
	var all []Column
	add := func(name string, kind Kind, of func(a *A) Value) {
		all = append(all, Column{Name: name, Kind: kind, Of: func(r *Row) Value {
			if r.Status != StatusOK {
				return Value{Unknown: true}
			}
			return of(t.of(r.Answer))
		}})
	}
	for _, c := range t.columns {
		add(c.name(), c.kind(), c.value)
	}
	for _, d := range t.derived {
		add(d.name, d.kind, func(a *A) Value { return d.of(a, activation) })
	}
	return all
}

// derived is a column that no format writes: it follows from an answer of type A and
// from how the model's output is interpreted.
type derived[A any] struct {
	name string
	kind Kind
	of   func(a *A, activation models.Activation) Value
}

func (t *text[A]) kind() Kind {
	if t.tag == "" {
		return Text
	}
	return Word
}

func (t *text[A]) value(a *A) Value    { return Value{Text: *t.of(a)} }
func (i *integer[A]) kind() Kind       { return Whole }
func (i *integer[A]) value(a *A) Value { return Value{Number: float64(*i.of(a))} }
func (f *float[A]) kind() Kind         { return Number }
func (f *float[A]) value(a *A) Value   { return Value{Number: float64(*f.of(a))} }
func (c *classes[A]) kind() Kind       { return List }
func (c *classes[A]) value(a *A) Value { return Value{Classes: *c.of(a)} }
