package chart

import (
	"fmt"
	"math"
)

// mark is the shape of the points of a series, of about one pixel around 0.
type mark struct {
	path    string  // of SVG
	corners []Point // none for a circle
}

var marks = []mark{
	{path: "M-1,0a1,1 0 1,0 2,0a1,1 0 1,0 -2,0Z"},
	{path: "M-.9,-.9H.9V.9H-.9Z", corners: []Point{{-.9, -.9}, {.9, -.9}, {.9, .9}, {-.9, .9}}},
	{path: "M0,-1.1L1,.8H-1Z", corners: []Point{{0, -1.1}, {1, .8}, {-1, .8}}},
	{path: "M0,-1.2L1.2,0L0,1.2L-1.2,0Z", corners: []Point{{0, -1.2}, {1.2, 0}, {0, 1.2}, {-1.2, 0}}},
}

// look is how a series is drawn.
type look struct {
	class string // its colour
	width float64
	// dash is the length of dashes and gap that of the gaps between them; 0 for a whole line.
	dash, gap int
	// mark is the shape of the marks, and radius their size; the zero value for no marks.
	mark   mark
	radius float64
}

// looks returns the looks of series. Lines may coincide, so of four series the second
// is dashed with one part in four left out, the third with two, and so on, and their
// marks get smaller and differ in shape. Where all coincide, each shows in turn.
func looks(series []Line) []look {
	drawn := 0
	for _, s := range series {
		if !s.Limit {
			drawn++
		}
	}
	all := make([]look, len(series))
	n, kinds := 0, min(drawn, len(marks))
	for i, s := range series {
		if s.Limit {
			all[i] = look{class: "limit", width: 8}
			continue
		}
		kind := n % kinds
		all[i] = look{class: colour(n), width: 2, mark: marks[kind], radius: 3 + 1.2*float64(kinds-1-kind)}
		switch {
		case s.Dots && len(s.XY) > 100:
			all[i].radius = 1.5
		case s.Dots:
			all[i].radius = 3.5
		case kind > 0:
			all[i].dash, all[i].gap = 6*(kinds-kind), 6*kind
		}
		n++
	}
	return all
}

// extent returns the least and the greatest values, and an error if one cannot be
// drawn. Axes that are not logarithmic begin at 0.
func extent(title string, log bool, series []Line) (lowest, highest Point, err error) {
	if log {
		lowest = Point{math.Inf(1), math.Inf(1)}
	}
	for _, s := range series {
		for _, p := range s.XY {
			if err := checkValues(title, s.Name, log, p.X, p.Y); err != nil {
				return lowest, highest, err
			}
			lowest = Point{min(lowest.X, p.X), min(lowest.Y, p.Y)}
			highest = Point{max(highest.X, p.X), max(highest.Y, p.Y)}
		}
	}
	return lowest, highest, nil
}

// Lines returns a chart of lines.
func Lines(title string, a Axes, series []Line) (*Drawing, error) {
	if len(series) == 0 || len(series[0].XY) == 0 {
		return nil, fmt.Errorf("%s: a chart needs values", title)
	}
	lowest, highest, err := extent(title, a.Log, series)
	if err != nil {
		return nil, err
	}
	var c canvas
	y := c.heading(title)
	y = c.legend(y, series) + 8
	y = c.paragraph(label{at: Point{margin, y}, class: "soft", text: a.Y, room: inner}) + 10

	top, bottom := y, y+plotHeight
	ys := newAxis(a.Log, lowest.Y, highest.Y, bottom, top, func(string) float64 { return lineHeight })
	left := margin + ys.widest() + 12
	xs := newAxis(a.Log, lowest.X, highest.X, left, width-margin-12, textWidth)
	for _, v := range ys.ticks {
		c.line("grid", left, ys.at(v), xs.to, ys.at(v), 1)
		c.add(label{at: Point{left - 12, ys.at(v) + 4}, class: "soft", text: tick(v), anchor: "end"})
	}
	c.ticks(xs, top, bottom)
	c.line("soft", left, bottom, xs.to, bottom, 1)
	for i, l := range looks(series) {
		points := make([]Point, len(series[i].XY))
		for j, p := range series[i].XY {
			points[j] = Point{xs.at(p.X), ys.at(p.Y)}
		}
		if series[i].Dots {
			c.series(l, nil, points)
		} else {
			c.series(l, points, points)
		}
	}
	y = c.paragraph(label{at: Point{(left + xs.to) / 2, bottom + 28}, class: "soft", text: a.X, room: xs.to - left, anchor: "middle"})
	return c.drawn(title, y+margin), nil
}

// legend names the series, as many next to each other as there is room for, and
// returns where the chart continues.
func (c *canvas) legend(y float64, series []Line) float64 {
	const swatch, gap = 36, 20
	x, bottom := float64(margin), y
	for i, l := range looks(series) {
		name := label{class: "ink", text: series[i].Name, room: inner - swatch - 8}
		wide := swatch + 8 + min(textWidth(name.text), name.room)
		if x > margin && x+wide > width-margin {
			x, y = margin, bottom
		}
		middle := y + lineHeight/2
		sample := []Point{{x, middle}, {x + swatch, middle}}
		if series[i].Dots {
			sample = nil
		}
		c.series(l, sample, []Point{{x + swatch/2, middle}})
		name.at = Point{x + swatch + 8, y}
		bottom = max(bottom, c.paragraph(name))
		x += wide + gap
	}
	return bottom
}
