package gate

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/batchscore/batchscore/scorer/telemetry/printable"
)

// Broken is a condition that holds, so that the result is not good enough.
type Broken struct {
	Condition string  `json:"condition"`
	Figure    string  `json:"figure"`
	Value     float64 `json:"value"` // of a percentage, as a share
	Limit     float64 `json:"limit"`
	// Text says so in words.
	Text string `json:"text"`
}

// Check returns an error if a condition needs a truth or another output and there is none. It
// is for the time before the rows are read.
func (c Conditions) Check(truth, other bool) error {
	for _, one := range c {
		if need := one.Figure.Needs; need == Truth && !truth || need == Other && !other {
			return one.lacks()
		}
	}
	return nil
}

// Judge returns the conditions that hold. It is an error if a figure does not exist.
func (c Conditions) Judge(figures Values) ([]Broken, error) {
	var broken []Broken
	for _, one := range c {
		v, err := one.value(figures)
		if err != nil {
			return nil, err
		}
		if one.holds(v) {
			broken = append(broken, Broken{
				Condition: one.String(), Figure: one.Name(), Value: v, Limit: one.Limit, Text: one.says(v, figures[one.Name()]) + one.chance(figures),
			})
		}
	}
	return broken, nil
}

func (c *Condition) holds(v float64) bool {
	switch c.Operator {
	case "<":
		return v < c.Limit
	case "<=":
		return v <= c.Limit
	case ">":
		return v > c.Limit
	}
	return v >= c.Limit
}

// value returns what the limit is compared with.
func (c *Condition) value(figures Values) (float64, error) {
	v, ok := figures[c.Name()]
	if !ok || v != v {
		return 0, c.absent(figures)
	}
	if !c.Percent || c.Figure.Kind != Count {
		return v, nil
	}
	whole, ok := figures[c.Figure.Whole]
	if !ok || !(whole > 0) {
		return 0, fmt.Errorf("%s: there are no images to have a percentage of (%s is 0); use a whole number", c, c.Figure.Whole)
	}
	return v / whole, nil
}

// lacks is the error of a figure for which a flag is missing.
func (c *Condition) lacks() error {
	return fmt.Errorf("%s: %s needs %s", c, c.Figure.Name(), c.Figure.Needs)
}

// absent is the error of a figure that does not exist.
func (c *Condition) absent(figures Values) error {
	f := c.Figure
	for need, has := range map[Need]string{Truth: "judged", Other: "compared"} {
		if _, ok := figures[has]; f.Needs == need && !ok {
			return c.lacks()
		}
	}
	if f.Key() == "" {
		return fmt.Errorf("%s: this result has no %s: there are no images to compute it from", c, f.Name())
	}
	var known []string
	for name := range figures {
		if key, ok := strings.CutPrefix(name, f.Name()+"["); ok {
			known = append(known, printable.Field(strings.TrimSuffix(key, "]")))
		}
	}
	slices.Sort(known)
	const most = 20
	if len(known) == 0 {
		return fmt.Errorf("%s: this result has no %s for any %s", c, f.Name(), f.Key())
	}
	more := ""
	if len(known) > most {
		more = fmt.Sprintf(" and %d more", len(known)-most)
		known = known[:most]
	}
	return fmt.Errorf("%s: this result has no %s for that %s, but for %s%s", c, f.Name(), f.Key(), strings.Join(known, ", "), more)
}

// chance says what the noise of a figure is, if the figure is not above it; else it is empty.
func (c *Condition) chance(figures Values) string {
	name := c.Figure.Name()
	if name == "drift" {
		if name = "psi"; figures["psi_scores"] > figures["psi"] {
			name = "psi_scores"
		}
	}
	noise, ok := figures[name+"_noise"]
	if !ok || figures[name] > noise {
		return ""
	}
	return fmt.Sprintf(" (with so few images, up to %s may be chance)", strconv.FormatFloat(noise, 'g', 2, 64))
}

// words are the operators as they are said.
var words = map[string]string{"<": "below", "<=": "not above", ">": "above", ">=": "not below"}

// says returns the condition and the value in words. figure is the value as figures have it.
func (c *Condition) says(v, figure float64) string {
	limit := strings.SplitAfter(c.String(), c.Operator)
	return fmt.Sprintf("%s, %s %s", c.is(v, figure), words[c.Operator], limit[len(limit)-1])
}

// Is returns what the figure of the condition is, in words such as "failed is 3, which is 1% of
// images"; empty if it does not exist.
func (c Condition) Is(figures Values) string {
	v, err := c.value(figures)
	if err != nil {
		return ""
	}
	return c.is(v, figures[c.Name()])
}

func (c *Condition) is(v, figure float64) string {
	var is string
	switch percent := digits(v*100, c.Limit*100) + "%"; {
	case c.Figure.Kind == Count && c.Percent:
		is = fmt.Sprintf("%.0f, which is %s of %s", figure, percent, c.Figure.Whole)
	case c.Percent:
		is = percent
	case c.Figure.Kind == Count:
		is = strconv.FormatFloat(v, 'f', 0, 64)
	default:
		is = digits(v, c.Limit)
	}
	name := c.Figure.Name()
	if c.Figure.Key() != "" {
		name = keyed(name, printable.Field(c.Key))
	}
	return name + " is " + is
}

// digits returns a number with four digits, or as many more as tell it from another one.
func digits(v, other float64) string {
	const least, all = 4, 17
	for n := least; n < all; n++ {
		if text := strconv.FormatFloat(v, 'g', n, 64); v == other || text != strconv.FormatFloat(other, 'g', n, 64) {
			return text
		}
	}
	return strconv.FormatFloat(v, 'g', all, 64)
}
