package query

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/batchscore/batchscore/scorer/row"
)

// operators, the longer before those that they begin with.
var operators = []string{"!=", "!~", "<=", ">=", "==", "=", "<", ">", "~"}

// Parse reads conditions with spaces between them. Its errors say which condition is
// wrong, and what would be right.
func Parse(text string, columns []row.Column) (Filter, error) {
	var f Filter
	p := parser{rest: text}
	for p.skip(); p.rest != ""; p.skip() {
		name := p.take(func(c rune) bool { return c == ' ' || strings.ContainsRune("!=<>~,\"'()|&", c) })
		if strings.EqualFold(name, "and") && len(f) > 0 && !p.atOperator() {
			continue
		}
		c, err := p.condition(name, columns)
		if err != nil {
			return nil, err
		}
		f = append(f, c)
	}
	if len(f) == 0 {
		return nil, errors.New("it is empty; a condition is like label=Sexy or score<0.6")
	}
	return f, nil
}

// parser reads conditions off a text.
type parser struct{ rest string }

// skip takes spaces off, and reports whether there were any.
func (p *parser) skip() bool {
	n := len(p.rest)
	p.rest = strings.TrimLeft(p.rest, " \t\r\n")
	return len(p.rest) < n
}

// take takes off the text before the first character for which end is true.
func (p *parser) take(end func(rune) bool) string {
	n := strings.IndexFunc(p.rest, end)
	if n < 0 {
		n = len(p.rest)
	}
	word := p.rest[:n]
	p.rest = p.rest[n:]
	return word
}

// operator returns the operator that comes next, empty if none does.
func (p *parser) operator() string {
	for _, o := range operators {
		if strings.HasPrefix(p.rest, o) {
			return o
		}
	}
	return ""
}

// atOperator reports whether an operator comes next, after spaces or without.
func (p *parser) atOperator() bool {
	after := parser{rest: p.rest}
	after.skip()
	return after.operator() != ""
}

// condition reads what follows the name of a column.
func (p *parser) condition(name string, columns []row.Column) (Condition, error) {
	apart := p.skip()
	operator := p.operator()
	switch {
	case name == "":
		return Condition{}, fmt.Errorf("a condition begins with the name of a column, not with %q", p.rest)
	case operator == "" && strings.EqualFold(name, "or"):
		return Condition{}, errors.New(`all conditions must hold, there is no "or"; for any of several values write label=Sexy,Neutral`)
	case operator == "" && strings.EqualFold(name, "not"):
		return Condition{}, errors.New(`there is no "not"; write label!=Sexy`)
	}
	column, err := Find(columns, name)
	if err != nil {
		return Condition{}, err
	}
	c := Condition{Column: column}
	if operator == "" {
		return c, fmt.Errorf("after %q comes one of %s and a value", name, strings.Join(c.operators(), ", "))
	}
	p.rest = p.rest[len(operator):]
	if spaced := p.skip(); p.rest == "" || spaced && !apart {
		return c, fmt.Errorf(`after %q comes a value; write %s"" for an empty one`, name+operator, name+operator)
	}
	if c.Operator = operator; operator == "==" {
		c.Operator = "="
	}
	if column.Kind == row.Vector {
		return c, fmt.Errorf("%s is a vector, by which rows cannot be chosen", name)
	}
	if known := c.operators(); !slices.Contains(known, c.Operator) {
		return c, fmt.Errorf("%s is %s, which takes %s, not %s", name, kinds[column.Kind], strings.Join(known, ", "), operator)
	}
	for {
		text, err := p.value()
		if err != nil {
			return c, fmt.Errorf("%s%s: %w", name, operator, err)
		}
		o, err := c.operand(text)
		if err != nil {
			return c, err
		}
		c.Values = append(c.Values, o)
		if !strings.HasPrefix(p.rest, ",") {
			break
		}
		p.rest = p.rest[1:]
		p.skip()
	}
	if len(c.Values) > 1 && strings.ContainsAny(c.Operator, "<>") {
		return c, fmt.Errorf("%s%s takes one value; several are for = and !=", name, operator)
	}
	return c, nil
}

// kinds are the kinds of columns in errors.
var kinds = map[row.Kind]string{
	row.Text: "a text", row.Word: "a text", row.Whole: "a whole number", row.Number: "a number", row.List: "a list of labels",
	row.Vector: "a vector", row.BoxList: "a list of boxes",
}

// operators returns those that the condition's column takes.
func (c *Condition) operators() []string {
	if c.Column.Numeric() {
		return []string{"=", "!=", "<", "<=", ">", ">="}
	}
	return []string{"=", "!=", "~", "!~"}
}

// value reads a value: a text in quotes, in which a doubled quote is one, or what
// comes before a space or comma.
func (p *parser) value() (string, error) {
	if p.rest == "" || p.rest[0] != '"' && p.rest[0] != '\'' {
		word := p.take(func(c rune) bool { return strings.ContainsRune(" \t\r\n,", c) })
		if word == "" {
			return "", errors.New(`a value is missing; write "" for an empty one`)
		}
		if i := strings.IndexAny(word, "<>=~"); i > 0 {
			return "", fmt.Errorf("%q looks like a condition of its own: put a space between conditions, or quote a value that holds %q", word, word[i:i+1])
		}
		return word, nil
	}
	quote := p.rest[:1]
	var text strings.Builder
	for rest := p.rest[1:]; ; {
		before, after, found := strings.Cut(rest, quote)
		text.WriteString(before)
		switch {
		case !found:
			return "", fmt.Errorf("the quotation that begins with %s has no end", p.rest)
		case strings.HasPrefix(after, quote):
			text.WriteString(quote)
			rest = after[1:]
		case after != "" && !strings.ContainsAny(after[:1], " \t\r\n,"):
			return "", fmt.Errorf("a space or a comma comes after a quotation, not %q", after)
		default:
			p.rest = after
			return text.String(), nil
		}
	}
}

// operand returns a value of the condition's column.
func (c *Condition) operand(text string) (Operand, error) {
	o := Operand{Text: text}
	if c.Column.Name == "status" && !strings.HasSuffix(c.Operator, "~") {
		known := append(row.FailureStatuses(), row.StatusOK, row.AnyFailure)
		if !slices.Contains(known, text) {
			return o, &UnknownError{What: "status", Name: text, Known: known}
		}
	}
	if !c.Column.Numeric() {
		return o, nil
	}
	number, err := strconv.ParseFloat(text, 64)
	if c.Column.Parse != nil {
		number, err = c.Column.Parse(text)
	}
	if err != nil || number-number != 0 {
		return o, fmt.Errorf("%s is %s, and %q is not one", c.Column.Name, kinds[c.Column.Kind], text)
	}
	if o.number = number; c.Column.Kind == row.Number {
		o.number = float64(float32(number)) // as the values are
	}
	return o, nil
}
