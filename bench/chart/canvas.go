package chart

import (
	"bytes"
	"cmp"
	"encoding/xml"
	"fmt"
	"strings"

	"github.com/batchscore/batchscore/scorer/telemetry/printable"
)

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

// style returns the style sheet. A program that knows no variables takes the colours
// of light screens.
func style() string {
	var light, dark, classes strings.Builder
	for _, c := range colours {
		fmt.Fprintf(&light, "--%s:%s;", c.class, c.light)
		fmt.Fprintf(&dark, "--%s:%s;", c.class, c.dark)
		fmt.Fprintf(&classes, ".chart .%[1]s{color:%[2]s;color:var(--%[1]s)}\n", c.class, c.light)
	}
	return "<style>\n.chart{" + light.String() + "background:var(--back);max-width:100%;height:auto}\n" +
		"@media(prefers-color-scheme:dark){.chart{" + dark.String() + "}}\n" + classes.String() +
		".chart text{fill:currentColor}\n.chart .title{font-weight:600}\n</style>\n"
}

// font is that of the reader's system.
const font = "system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif"

// canvas collects the elements of a chart.
type canvas struct{ body bytes.Buffer }

func (c *canvas) add(format string, args ...any) { fmt.Fprintf(&c.body, format+"\n", args...) }

// svg returns the chart.
func (c *canvas) svg(title string, height float64) []byte {
	var out bytes.Buffer
	fmt.Fprintf(&out, `<svg xmlns="http://www.w3.org/2000/svg" class="chart" role="img" width="%d" height="%.0f" viewBox="0 0 %[1]d %.0[2]f" `+
		`font-family="%[3]s" font-size="%.0[4]f">`+"\n", width, height, font, fontSize)
	fmt.Fprintf(&out, "<title>%s</title>\n%s", escaped(title), style())
	fmt.Fprintf(&out, `<rect class="back" fill="currentColor" width="100%%" height="100%%"/>`+"\n%s</svg>\n", &c.body)
	return out.Bytes()
}

// escaped returns text as XML has it.
func escaped(text string) string {
	var out bytes.Buffer
	_ = xml.EscapeText(&out, []byte(printable.Line(text))) // a buffer takes everything
	return out.String()
}

// label is a text of a chart.
type label struct {
	at     Point  // of its base line, or of the upper edge of a paragraph
	anchor string // start (also if empty), middle or end
	class  string
	text   string
	room   float64 // of a paragraph
}

// text draws one line.
func (c *canvas) text(l label) {
	c.add(`<text class="%s" x="%.1f" y="%.1f" text-anchor="%s">%s</text>`, l.class, l.at.X, l.at.Y, cmp.Or(l.anchor, "start"), escaped(l.text))
}

// paragraph draws a text in as many lines as it needs, and returns its lower edge.
func (c *canvas) paragraph(l label) float64 {
	l.at.Y -= 4
	for _, l.text = range broken(l.text, l.room) {
		l.at.Y += lineHeight
		c.text(l)
	}
	return l.at.Y + 4
}

// heading draws the title, and returns where the chart continues. It is bold, and so
// needs more room.
func (c *canvas) heading(title string) float64 {
	return c.paragraph(label{at: Point{margin, margin - 4}, class: "ink title", text: title, room: inner / 1.15}) + 8
}

// line draws a straight line.
func (c *canvas) line(class string, x1, y1, x2, y2, thick float64) {
	c.add(`<path class="%s" stroke="currentColor" stroke-width="%v" d="M%.1f,%.1fL%.1f,%.1f"/>`, class, thick, x1, y1, x2, y2)
}

// ticks draws the grid of a horizontal axis, and its labels below the plot.
func (c *canvas) ticks(xs axis, top, bottom float64) {
	for _, v := range xs.ticks {
		c.line("grid", xs.at(v), top, xs.at(v), bottom, 1)
		x := min(xs.at(v), width-4-textWidth(tick(v))/2)
		c.text(label{at: Point{x, bottom + 22}, class: "soft", text: tick(v), anchor: "middle"})
	}
}

// series draws a line and its marks.
func (c *canvas) series(l look, line, dots []Point) {
	var path strings.Builder
	for _, p := range line {
		fmt.Fprintf(&path, " %.1f,%.1f", p.X, p.Y)
	}
	c.add(`<polyline class="%s" fill="none" stroke="currentColor" stroke-width="%v" stroke-linejoin="round" stroke-dasharray="%s" points="%s"/>`,
		l.class, l.width, cmp.Or(l.dash, "none"), strings.TrimSpace(path.String()))
	if l.mark == "" {
		return
	}
	for _, p := range dots {
		c.add(`<path class="%s" fill="currentColor" transform="translate(%.1f,%.1f) scale(%.1f)" d="%s"/>`, l.class, p.X, p.Y, l.radius, l.mark)
	}
}
