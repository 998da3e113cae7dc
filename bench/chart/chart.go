// Package chart draws the charts of benchmarks as SVG. A browser shows them in its
// light or dark colours.
package chart

import (
	"bytes"
	"fmt"
	"image/color"
	"math"
	"slices"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"

	"github.com/batchscore/batchscore/bench/ranks"
)

// Axes are the labels of a chart's axes, with their units. With Log both are
// logarithmic, with powers of two.
type Axes struct {
	X, Y string
	Log  bool
}

// Line is one series of a chart.
type Line struct {
	Name string
	XY   plotter.XYs
	// Limit marks a line that shows the ideal. It is drawn as a broad grey line
	// below the others, without dots, and comes first.
	Limit bool
}

// Per returns the line in a larger unit, which is that many of the smaller one.
func (l Line) Per(n float64) Line {
	l.XY = slices.Clone(l.XY)
	for i := range l.XY {
		l.XY[i].Y /= n
	}
	return l
}

// Ideal returns the line that grows in proportion to the ranks, by each per rank.
func Ideal(name string, lowest, highest, each float64) Line {
	return Line{Name: name, XY: plotter.XYs{{X: lowest, Y: lowest * each}, {X: highest, Y: highest * each}}, Limit: true}
}

// palette is that of Okabe and Ito, whose colours colour-blind people can tell apart.
var palette = []color.Color{
	color.RGBA{0, 114, 178, 255}, color.RGBA{213, 94, 0, 255}, color.RGBA{0, 158, 115, 255},
	color.RGBA{204, 121, 167, 255}, color.RGBA{230, 159, 0, 255}, color.RGBA{86, 180, 233, 255},
}

// light is the colour of a grid.
var light = color.Gray{225}

// marks are the shapes of the points of a series.
var marks = []draw.GlyphDrawer{draw.CircleGlyph{}, draw.BoxGlyph{}, draw.PyramidGlyph{}, draw.CrossGlyph{}}

func rises(series []Line) bool {
	first := series[0].XY
	return first[len(first)-1].Y > first[0].Y
}

const (
	margin = 8 * vg.Inch / 72 // above the title of a chart
	dash   = 6 * vg.Inch / 72
)

// empty returns a plot with a title and no series.
func empty(title string) *plot.Plot {
	plot.DefaultFont.Variant = "Sans"
	p := plot.New()
	p.Title.Text = title
	p.Title.Padding = vg.Points(8)
	return p
}

// Lines returns an SVG of lines, which have at least two points each.
func Lines(title string, a Axes, series []Line) ([]byte, error) {
	p := empty(title)
	p.X.Label.Text, p.Y.Label.Text = a.X, a.Y
	// In a corner without lines.
	p.Legend.Top, p.Legend.Left = true, rises(series)
	p.Legend.Padding, p.Legend.ThumbnailWidth = vg.Points(3), vg.Points(36)
	grid := plotter.NewGrid()
	grid.Horizontal.Color, grid.Vertical.Color = light, light
	p.Add(grid)
	if a.Log {
		p.X.Scale, p.Y.Scale = plot.LogScale{}, plot.LogScale{}
		p.X.Tick.Marker, p.Y.Tick.Marker = powersOfTwo{}, powersOfTwo{}
	}
	n, drawn := 0, len(series)
	for _, s := range series {
		if s.Limit {
			drawn--
		}
	}
	for _, s := range series {
		l, dots, err := plotter.NewLinePoints(s.XY)
		if err != nil {
			return nil, fmt.Errorf("%s: %s: %w", title, s.Name, err)
		}
		l.Width = vg.Points(1.8)
		if s.Limit {
			l.Color, l.Width = color.Gray{205}, vg.Points(7)
			p.Add(l)
			p.Legend.Add(s.Name, l)
			continue
		}
		l.Color, dots.Color = palette[n%len(palette)], palette[n%len(palette)]
		// Lines may coincide, so of n series the second is dashed with 1 part in n left out, the
		// third with 2, and so on, and marks get smaller and differ in shape. Where all
		// coincide, each shows in turn.
		if n > 0 {
			l.Dashes = []vg.Length{vg.Length(drawn-n) * dash, vg.Length(n) * dash}
		}
		dots.Shape, dots.Radius = marks[n%len(marks)], vg.Points(2)+vg.Length(drawn-1-n)*vg.Points(1)
		n++
		p.Add(l, dots)
		p.Legend.Add(s.Name, l, dots)
	}
	if !a.Log {
		p.Y.Min = 0
	}
	return svg(p, 16*vg.Centimeter, 10*vg.Centimeter)
}

// dark are the colours that a browser replaces where its user prefers a dark screen.
const dark = `<style>svg{background:#fff}@media (prefers-color-scheme:dark){svg{background:#0d1117}text{fill:#e6edf3}` +
	`[style*="fill:#FFFFFF"]{fill:#0d1117!important}[style*="stroke:#000000"]{stroke:#9198a1!important}` +
	`[style*="stroke:#E1E1E1"]{stroke:#30363d!important}[style*="stroke:#CDCDCD"]{stroke:#484f58!important}` +
	`[style*="fill:#0072B2"]{fill:#4aa8de!important}[style*="stroke:#0072B2"]{stroke:#4aa8de!important}}</style>
`

// svg returns a plot as SVG.
func svg(p *plot.Plot, width, height vg.Length) ([]byte, error) {
	c := vgsvg.New(width, height)
	// The title would touch the upper edge, and letters of a wider font the left one.
	p.Draw(draw.Crop(draw.New(c), 2*margin, -margin, 0, -margin))
	var out bytes.Buffer
	if _, err := c.WriteTo(&out); err != nil {
		return nil, err
	}
	text := bytes.Replace(out.Bytes(), []byte("<g "), []byte(dark+"<g "), 1)
	return bytes.ReplaceAll(text, []byte("font-family:Liberation Sans;"), []byte("font-family:Liberation Sans,Arial,sans-serif;")), nil
}

// powersOfTwo returns the ticks of an axis of ranks.
type powersOfTwo struct{}

func (powersOfTwo) Ticks(lowest, highest float64) (ticks []plot.Tick) {
	v := 1.0
	for v > lowest {
		v /= 2
	}
	for ; v <= highest*1.0001; v *= 2 {
		if v >= lowest*0.9999 {
			ticks = append(ticks, plot.Tick{Value: v, Label: Number(v)})
		}
	}
	return ticks
}

// Number returns v with three significant digits, or as an integer with separators if
// it has more.
func Number(v float64) string {
	switch a := math.Abs(v); {
	case math.IsInf(v, 0) || math.IsNaN(v):
		return "-"
	case a >= 999.5:
		return ranks.Thousands(int(math.Round(v)))
	case a >= 99.95 || a == math.Trunc(a):
		return strconv.FormatFloat(v, 'f', 0, 64)
	case a >= 9.995:
		return strconv.FormatFloat(v, 'f', 1, 64)
	case a >= 1:
		return strconv.FormatFloat(v, 'f', 2, 64)
	case a >= 0.0995:
		return strconv.FormatFloat(v, 'f', 3, 64)
	}
	return strconv.FormatFloat(v, 'g', 2, 64)
}
