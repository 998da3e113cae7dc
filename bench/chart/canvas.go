package chart

import "fmt"

// colours are the classes of a chart with their colours on a light and on a dark
// screen. Each differs from its background enough to be seen.
var colours = []struct{ class, light, dark string }{
	{class: "back", light: "#ffffff", dark: "#0d1117"},
	{class: "ink", light: "#1f2328", dark: "#e6edf3"},
	{class: "soft", light: "#59636e", dark: "#9198a1"},
	{class: "grid", light: "#e1e4e8", dark: "#30363d"},
	{class: "limit", light: "#c8ccd1", dark: "#484f58"},
	// Series. Blue and orange are told apart by colour-blind people, too.
	{class: "c0", light: "#0072b2", dark: "#4aa8de"},
	{class: "c1", light: "#d55e00", dark: "#ff8c42"},
	{class: "c2", light: "#00805d", dark: "#2fc79a"},
	{class: "c3", light: "#b0508c", dark: "#e59ac6"},
	{class: "c4", light: "#946200", dark: "#f0b93a"},
	{class: "c5", light: "#5b5bd6", dark: "#a5a5ff"},
}

// colour returns the class of a series.
func colour(n int) string { return fmt.Sprintf("c%d", n%6) }

// canvas collects the shapes of a chart, those below others first.
type canvas struct{ shapes []shape }

// shape is an element of a chart, which every format of files has in its own way.
type shape interface {
	svg(to *markup)
	png(to *painter)
}

func (c *canvas) add(s shape) { c.shapes = append(c.shapes, s) }

// drawn returns the chart.
func (c *canvas) drawn(title string, height float64) *Drawing {
	return &Drawing{title: title, height: height, shapes: c.shapes}
}

// label is a text of a chart.
type label struct {
	at     Point  // of its base line, or of the upper edge of a paragraph
	anchor string // start (also if empty), middle or end
	class  string
	text   string
	room   float64 // of a paragraph
}

// bar is a filled rectangle with round corners.
type bar struct {
	class      string
	at         Point // its upper left corner
	wide, high float64
}

// line is a straight line.
type line struct {
	class    string
	from, to Point
	thick    float64
}

// curve is a line through points.
type curve struct {
	look   look
	points []Point
}

// dot is the mark of a point.
type dot struct {
	look look
	at   Point
}

// paragraph draws a text in as many lines as it needs, and returns its lower edge.
func (c *canvas) paragraph(l label) float64 {
	l.at.Y -= 4
	for _, l.text = range broken(l.text, l.room) {
		l.at.Y += lineHeight
		c.add(l)
	}
	return l.at.Y + 4
}

// heading draws the title, and returns where the chart continues. It is bold, and so
// needs more room.
func (c *canvas) heading(title string) float64 {
	return c.paragraph(label{at: Point{margin, margin - 4}, class: titleClass, text: title, room: inner / 1.15}) + 8
}

// titleClass is the class of the title, which is bold.
const titleClass = "ink title"

// line draws a straight line.
func (c *canvas) line(class string, x1, y1, x2, y2, thick float64) {
	c.add(line{class: class, from: Point{x1, y1}, to: Point{x2, y2}, thick: thick})
}

// ticks draws the grid of a horizontal axis, and its labels below the plot.
func (c *canvas) ticks(xs axis, top, bottom float64) {
	for _, v := range xs.ticks {
		c.line("grid", xs.at(v), top, xs.at(v), bottom, 1)
		x := min(xs.at(v), width-4-textWidth(tick(v))/2)
		c.add(label{at: Point{x, bottom + 22}, class: "soft", text: tick(v), anchor: "middle"})
	}
}

// series draws a line, if it has points, and its marks.
func (c *canvas) series(l look, line, dots []Point) {
	if len(line) > 0 {
		c.add(curve{look: l, points: line})
	}
	if l.mark.path == "" {
		return
	}
	for _, p := range dots {
		c.add(dot{look: l, at: p})
	}
}
