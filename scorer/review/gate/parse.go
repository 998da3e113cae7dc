package gate

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/batchscore/batchscore/scorer/telemetry/printable"
)

// Condition says when a result is not good enough.
type Condition struct {
	Figure *Figure
	Key    string // what is in brackets, such as a label
	// Operator is <, <=, > or >=.
	Operator string
	// Limit is what the figure is compared with; of a percentage, as a share from 0 on.
	Limit float64
	// Percent reports whether the limit was written as a percentage.
	Percent bool
}

// Conditions are several conditions, each of which must not hold.
type Conditions []Condition

// operators, the longer ones first.
var operators = []string{"<=", ">=", "<", ">"}

// Parse reads conditions with commas between them: the name of a figure, for some with a label,
// a status or a number in brackets, an operator and a limit. A label with an unusual character
// is written in quotation marks as Go writes them: recall["a]<b"]<0.8.
func Parse(text string) (Conditions, error) {
	var all Conditions
	for rest := strings.TrimSpace(text); ; {
		c, after, err := parseOne(rest)
		if err != nil {
			return nil, err
		}
		all = append(all, c)
		rest = strings.TrimSpace(after)
		if rest == "" {
			return all, nil
		}
		if rest[0] != ',' {
			return nil, fmt.Errorf("%s stands where a comma or the end was expected", quoted(rest))
		}
		rest = strings.TrimSpace(rest[1:])
	}
}

// UnknownError is the name of a figure that does not exist.
type UnknownError struct{ Name string }

func (e *UnknownError) Error() string { return quoted(e.Name) + " is not a figure" }

// Known returns the names of all figures.
func (e *UnknownError) Known() (all []string) {
	for _, f := range All() {
		all = append(all, f.Name())
	}
	return all
}

// parseOne reads the condition at the beginning of a text, and returns what is after it.
func parseOne(text string) (c Condition, rest string, err error) {
	end := strings.IndexFunc(text, func(r rune) bool { return r != '_' && (r < 'a' || r > 'z') && (r < '0' || r > '9') })
	if end < 0 {
		end = len(text)
	}
	name := text[:end]
	if c.Figure = find(name); c.Figure == nil {
		if name == "" {
			return c, "", fmt.Errorf("%s: a condition begins with the name of a figure, such as failed>1%%", quoted(text))
		}
		return c, "", &UnknownError{name}
	}
	rest = strings.TrimSpace(text[end:])
	if c.Key, rest, err = parseKey(c.Figure, rest); err != nil {
		return c, "", err
	}
	at := slices.IndexFunc(operators, func(op string) bool { return strings.HasPrefix(rest, op) })
	if at < 0 {
		return c, "", fmt.Errorf("%s: after the name comes <, <=, > or >=, and a limit, such as %s>0", quoted(text), c.Figure.Name())
	}
	c.Operator = operators[at]
	rest = strings.TrimSpace(rest[len(c.Operator):])
	end = strings.IndexFunc(rest, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' || r == '\n' })
	if end < 0 {
		end = len(rest)
	}
	return c, rest[end:], c.limit(rest[:end])
}

// parseKey reads what is in brackets at the beginning of a text.
func parseKey(f *Figure, text string) (key, rest string, err error) {
	switch bracket := strings.HasPrefix(text, "["); {
	case f.Key() == "" && bracket:
		return "", "", fmt.Errorf("%s has nothing in brackets; it is one figure of the whole result", f.Name())
	case f.Key() == "":
		return "", text, nil
	case !bracket:
		return "", "", fmt.Errorf("%s needs a %s in brackets: %s", f.Name(), f.Key(), f.spelled())
	}
	if inner, err := strconv.QuotedPrefix(text[1:]); err == nil && inner[0] == '"' {
		if rest, ok := strings.CutPrefix(text[1+len(inner):], "]"); ok {
			key, _ = strconv.Unquote(inner) // a prefix that is quoted can be unquoted
			return key, strings.TrimSpace(rest), nil
		}
	}
	// The bracket that ends the label is the one before an operator.
	for end := 1; end < len(text); end++ {
		if text[end] != ']' {
			continue
		}
		rest = strings.TrimSpace(text[end+1:])
		if strings.HasPrefix(rest, "<") || strings.HasPrefix(rest, ">") {
			return text[1:end], rest, nil
		}
	}
	return "", "", fmt.Errorf("%s: the bracket has no end, or <, <=, > or >= does not follow it", quoted(f.Name()+text))
}

// limit reads the limit of a condition.
func (c *Condition) limit(text string) error {
	number := text
	number, c.Percent = strings.CutSuffix(number, "%")
	exponent := ""
	if c.Percent {
		exponent = "e-2" // the decimal number is divided before it is rounded
	}
	v, err := strconv.ParseFloat(number+exponent, 64)
	plain := number != "" && strings.Trim(number, "0123456789.") == ""
	f := c.Figure
	switch {
	case err != nil || !plain:
		return fmt.Errorf("the limit of %s is %s, not %s", f.Name(), f.Values(), quoted(text))
	case c.Percent && (f.Kind == Number || f.Kind == Count && f.Whole == ""):
		return fmt.Errorf("%s is %s, and %s is a percentage", f.Name(), f.Values(), quoted(text))
	case (c.Percent || f.Kind == Share) && v > 1:
		return fmt.Errorf("%s is never above 1 or 100%%, and its limit is %s", f.Name(), quoted(text))
	case f.Kind == Count && !c.Percent && v != math.Trunc(v) && f.Whole == "":
		return fmt.Errorf("%s is %s, and %s is not", f.Name(), f.Values(), quoted(text))
	case f.Kind == Count && !c.Percent && v != math.Trunc(v):
		return fmt.Errorf("%s is %s, and %s is neither; write a share as a percentage, as in %s%s1%%", f.Name(), f.Values(), quoted(text), c.Name(), c.Operator)
	}
	c.Limit = v
	return nil
}

// Name returns the name of the figure with what is in brackets, as Values has it.
func (c Condition) Name() string {
	if c.Figure.Key() == "" {
		return c.Figure.Name()
	}
	return keyed(c.Figure.Name(), c.Key)
}

// String returns the condition in the form that Parse reads, fit to be shown.
func (c Condition) String() string {
	name := c.Figure.Name()
	if c.Figure.Key() != "" {
		key := printable.Field(c.Key)
		if strings.ContainsAny(key, "]<>,") || key != strings.TrimSpace(key) || key == "" {
			key = strconv.Quote(c.Key)
		}
		name = keyed(name, key)
	}
	if c.Percent {
		return name + c.Operator + percentage(c.Limit)
	}
	return name + c.Operator + strconv.FormatFloat(c.Limit, 'f', -1, 64)
}

// percentage returns a share as a percentage that reads the same.
func percentage(share float64) string {
	for digits := range 20 {
		text := strconv.FormatFloat(share*100, 'f', digits, 64)
		if v, err := strconv.ParseFloat(text+"e-2", 64); err == nil && v == share {
			return text + "%"
		}
	}
	return strconv.FormatFloat(share*100, 'f', -1, 64) + "%"
}

// name reports whether a condition is about that label.
func (c Conditions) name(label string) bool {
	return slices.ContainsFunc(c, func(one Condition) bool { return one.Figure.Key() == "label" && one.Key == label })
}

// About reports whether a condition is about the figure of that name.
func (c Conditions) About(name string) bool {
	return slices.ContainsFunc(c, func(one Condition) bool { return one.Figure.Name() == name })
}

func quoted(text string) string {
	const most = 60
	if len(text) > most {
		text = text[:most] + "..."
	}
	return strconv.Quote(text)
}
