package compare

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/batchscore/batchscore/bench/chart"
)

// mostBars is how many bars a chart has at most.
const mostBars = 60

// Chart draws the table: as lines over a dimension of numbers, else as bars.
func (t *Table) Chart() (*chart.Drawing, error) {
	if lines, a, ok := t.lines(); ok {
		return chart.Lines(t.Title(), a, lines)
	}
	if n := len(t.Groups); n > mostBars {
		return nil, fmt.Errorf("%d rows are too many for a chart, which has %d bars at most", n, mostBars)
	}
	names := t.names()
	var bars []chart.Bar
	for _, g := range t.Groups {
		b := chart.Bar{Name: t.short(g.Name), Value: g.Value, Lo: math.Inf(-1), Hi: math.Inf(1), Group: slices.Index(names, g.Name)}
		for i, k := range g.Keys {
			b.Name += fmt.Sprintf(", %s %s", t.Dims[i], k.Value)
		}
		if len(names) == 1 && len(g.Keys) > 0 { // the title says what all have in common
			b.Name = strings.TrimPrefix(b.Name, t.short(g.Name)+", ")
		}
		if g.Low != nil {
			b.Lo, b.Hi = *g.Low, *g.High
		}
		bars = append(bars, b)
	}
	title := t.Title()
	if len(names) == 1 {
		title += ": " + t.short(names[0])
	}
	return chart.Bars(title, t.Unit, bars)
}

// lines returns a line for each group if the only dimension is a number, with two
// values or more for each group.
func (t *Table) lines() ([]chart.Line, chart.Axes, bool) {
	if len(t.Dims) != 1 {
		return nil, chart.Axes{}, false
	}
	lines := map[string]*chart.Line{}
	least, most := math.Inf(1), 0.0
	for _, g := range t.Groups {
		x, err := strconv.ParseFloat(g.Keys[0].Value, 64)
		if err != nil || x <= 0 || g.Value <= 0 {
			return nil, chart.Axes{}, false
		}
		if lines[g.Name] == nil {
			lines[g.Name] = &chart.Line{Name: t.short(g.Name)}
		}
		l := lines[g.Name]
		l.XY = append(l.XY, chart.Point{X: x, Y: g.Value})
		least, most = min(least, x), max(most, x)
	}
	a := chart.Axes{X: t.Dims[0], Y: t.Unit, Log: t.Dims[0] == "ranks"}
	var series []chart.Line
	for _, name := range t.names() {
		if len(lines[name].XY) < 2 {
			return nil, a, false
		}
		series = append(series, *lines[name])
	}
	if first := series[0].XY[0]; t.Unit == Rate && t.Dims[0] == "ranks" && len(series) == 1 {
		series = append([]chart.Line{chart.Ideal("in proportion", least, most, first.Y/first.X)}, series...)
	}
	return series, a, true
}
