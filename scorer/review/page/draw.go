package page

import (
	"slices"
	"strconv"
	"strings"
)

// Drawings are paths: digits, letters of commands and nothing else. Their box is stretched over
// the room that there is, so they have no texts, which are outside of them.

// barHeight is the height of the box of a drawing of bars.
const barHeight = 100

// outline builds the data of a path.
type outline struct{ strings.Builder }

// box adds a rectangle.
func (p *outline) box(x, y, w, h float64) {
	p.WriteString("M" + short(x) + " " + short(y) + "h" + short(w) + "v" + short(h) + "h" + short(-w) + "z")
}

// short writes a number with at most two decimals.
func short(f float64) string {
	text := strconv.FormatFloat(f, 'f', 2, 64)
	text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	if text == "-0" {
		return "0"
	}
	return text
}

// bars draws a bar of width 1 for each value, up to barHeight for most. What is not 0 can be
// seen.
func bars(values []float64, most float64) string {
	var p outline
	for i, v := range values {
		if v <= 0 || most <= 0 {
			continue
		}
		h := max(v/most*barHeight, 1.5)
		p.box(float64(i)+0.06, barHeight-h, 0.88, h)
	}
	return p.String()
}

// median returns the value in the middle, of values that it sorts.
func median(values []float64) float64 {
	slices.Sort(values)
	n := len(values)
	if n%2 == 1 {
		return values[n/2]
	}
	return (values[n/2-1] + values[n/2]) / 2
}
