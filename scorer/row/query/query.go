// Package query chooses and sorts rows by conditions that people type, such as
//
//	label=Sexy score<0.6 status!=ok
//
// A condition is a column, an operator and a value, or several values with commas
// between them, of which any may hold. A row is chosen if all conditions hold. A
// value with spaces or commas is quoted. Which columns there are, and of which kind,
// comes from the rows (row.Schema.Columns). A value that a row does not have, such as
// the score of an image that failed, fulfils no condition.
package query

import (
	"fmt"
	"slices"
	"strings"

	"github.com/batchscore/batchscore/scorer/row"
)

// Filter is a choice of rows. The zero Filter chooses all.
type Filter []Condition

// Condition is one condition on a column.
type Condition struct {
	Column   row.Column
	Operator string
	// Values are those of which any may hold, in the order in which they were written.
	Values []Operand
}

// Operand is a value that a condition compares with.
type Operand struct {
	Text   string
	number float64 // of a column of numbers
}

// Match reports whether all conditions hold for a row.
func (f Filter) Match(r *row.Row) bool {
	for i := range f {
		if !f[i].match(r) {
			return false
		}
	}
	return true
}

// Has reports whether a condition is on the column of that name.
func (f Filter) Has(column string) bool {
	return slices.ContainsFunc(f, func(c Condition) bool { return c.Column.Name == column })
}

func (c *Condition) match(r *row.Row) bool {
	v := c.Column.Of(r)
	if v.Unknown {
		return false
	}
	not := c.Operator[0] == '!'
	return slices.ContainsFunc(c.Values, func(o Operand) bool { return c.holds(v, o) }) != not
}

// holds reports whether the condition, without its "not", holds for one of its
// values.
func (c *Condition) holds(v row.Value, o Operand) bool {
	if c.Column.Numeric() {
		switch c.Operator {
		case "<":
			return v.Number < o.number
		case "<=":
			return v.Number <= o.number
		case ">":
			return v.Number > o.number
		case ">=":
			return v.Number >= o.number
		}
		return v.Number == o.number
	}
	text := func(s string) bool {
		switch {
		case strings.HasSuffix(c.Operator, "~"):
			return contains(s, o.Text)
		case c.Column.Name == "status":
			return row.Selection{o.Text}.Has(s)
		}
		return s == o.Text
	}
	if c.Column.Labelled() {
		return v.HasLabel(text)
	}
	return text(v.Text)
}

// contains reports whether a text contains another or, if that has a * or ?, whether
// it matches as a whole: * is any text, ? is any character.
func contains(text, pattern string) bool {
	if !strings.ContainsAny(pattern, "*?") {
		return strings.Contains(text, pattern)
	}
	// The last * is where to continue after a mismatch: it takes one character more.
	t, p := []rune(text), []rune(pattern)
	i, j, star, from := 0, 0, -1, 0
	for i < len(t) {
		switch {
		case j < len(p) && p[j] == '*':
			star, from = j, i
			j++
		case j < len(p) && (p[j] == '?' || p[j] == t[i]):
			i, j = i+1, j+1
		case star >= 0:
			from++
			i, j = from, star+1
		default:
			return false
		}
	}
	return strings.Trim(string(p[j:]), "*") == ""
}

// UnknownError is a name that does not exist.
type UnknownError struct {
	What  string // "column" or "status"
	Name  string
	Known []string
}

func (e *UnknownError) Error() string {
	return fmt.Sprintf("there is no %s %q; there are %s", e.What, e.Name, strings.Join(e.Known, ", "))
}

// Find returns the column of that name. An unknown name is an UnknownError.
func Find(columns []row.Column, name string) (row.Column, error) {
	i := slices.IndexFunc(columns, func(c row.Column) bool { return c.Name == name })
	if i >= 0 {
		return columns[i], nil
	}
	e := &UnknownError{What: "column", Name: name}
	for _, c := range columns {
		e.Known = append(e.Known, c.Name)
	}
	return row.Column{}, e
}

// Order sorts rows by columns, the first of them first.
type Order []Key

// Key is one column of an Order.
type Key struct {
	Column     row.Column
	Descending bool
}

// ParseOrder reads names of columns with commas between them. A minus sign before a
// name sorts in descending order.
func ParseOrder(text string, columns []row.Column) (Order, error) {
	var order Order
	for word := range strings.SplitSeq(text, ",") {
		name, descending := strings.CutPrefix(strings.TrimSpace(word), "-")
		c, err := Find(columns, name)
		if err != nil {
			return nil, err
		}
		if !c.Ordered() {
			return nil, fmt.Errorf("%s is %s, which has no order", name, kinds[c.Kind])
		}
		order = append(order, Key{Column: c, Descending: descending})
	}
	return order, nil
}

// Has reports whether the order is by the column of that name.
func (o Order) Has(column string) bool {
	return slices.ContainsFunc(o, func(k Key) bool { return k.Column.Name == column })
}

// Values returns the values by which a row is sorted. They do not keep the row in
// memory.
func (o Order) Values(r *row.Row) []row.Value {
	all := make([]row.Value, len(o))
	for i, k := range o {
		all[i] = k.Column.Of(r)
		all[i].Text = strings.Clone(all[i].Text)
	}
	return all
}

// Compare compares the values of two rows. A row without a value comes last, whatever
// the direction.
func (o Order) Compare(a, b []row.Value) int {
	for i, k := range o {
		n := compare(a[i], b[i], k.Column.Numeric())
		if k.Descending && !a[i].Unknown && !b[i].Unknown {
			n = -n
		}
		if n != 0 {
			return n
		}
	}
	return 0
}

func compare(a, b row.Value, numeric bool) int {
	switch {
	case a.Unknown && b.Unknown:
		return 0
	case a.Unknown:
		return 1
	case b.Unknown:
		return -1
	case !numeric:
		return strings.Compare(a.Text, b.Text)
	case a.Number < b.Number:
		return -1
	case a.Number > b.Number:
		return 1
	}
	return 0
}
