package main

import (
	"bytes"
	"fmt"
	"image/color"
	"slices"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// axes are the labels of a chart's axes, with their units. With log both are
// logarithmic, with powers of two.
type axes struct {
	x, y string
	log  bool
}

// line is one series of a chart.
type line struct {
	name string
	xy   plotter.XYs
	// limit marks a line that shows the ideal. It is drawn as a broad grey line
	// below the others, without dots, and comes first.
	limit bool
}

// Line returns the medians of a unit over a key whose values are numbers.
func (s *samples) Line(name, key, unit string) (line, error) {
	rows, err := s.rows()
	if err != nil {
		return line{}, err
	}
	l := line{name: name}
	for _, r := range rows {
		x, err := strconv.ParseFloat(value(r.Keys, key), 64)
		if err != nil {
			return l, fmt.Errorf("%s: %s: %w", s.from, key, err)
		}
		sum, ok := r.Summary[unit]
		if !ok {
			return l, fmt.Errorf("%s: no %s, but %v", s.from, unit, r.Units)
		}
		l.xy = append(l.xy, plotter.XY{X: x, Y: sum.Center})
	}
	slices.SortFunc(l.xy, func(a, b plotter.XY) int { return int(a.X - b.X) })
	for i := 1; i < len(l.xy); i++ {
		if l.xy[i].X == l.xy[i-1].X {
			return l, fmt.Errorf("%s: two configurations have %s=%v", s.from, key, l.xy[i].X)
		}
	}
	return l, nil
}

// Per returns the line in a larger unit, which is that many of the smaller one.
func (l line) Per(n float64) line {
	l.xy = slices.Clone(l.xy)
	for i := range l.xy {
		l.xy[i].Y /= n
	}
	return l
}

// ideal returns the line that grows in proportion to the ranks.
func ideal(name string, lowest, highest float64) line {
	return line{name: name, xy: plotter.XYs{{X: lowest, Y: lowest}, {X: highest, Y: highest}}, limit: true}
}

// palette is that of Okabe and Ito, whose colours colour-blind people can tell apart.
var palette = []color.Color{
	color.RGBA{0, 114, 178, 255}, color.RGBA{213, 94, 0, 255}, color.RGBA{0, 158, 115, 255},
	color.RGBA{204, 121, 167, 255}, color.RGBA{230, 159, 0, 255}, color.RGBA{86, 180, 233, 255},
}

// marks are the shapes of the points of a series.
var marks = []draw.GlyphDrawer{draw.CircleGlyph{}, draw.BoxGlyph{}, draw.PyramidGlyph{}, draw.CrossGlyph{}}

func rises(series []line) bool {
	first := series[0].xy
	return first[len(first)-1].Y > first[0].Y
}

const (
	margin = 8 * vg.Inch / 72 // above the title of a chart
	dash   = 6 * vg.Inch / 72
)

// chart returns an SVG of lines, which have at least two points each.
func chart(title string, a axes, series []line) ([]byte, error) {
	plot.DefaultFont.Variant = "Sans"
	p := plot.New()
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = title, a.x, a.y
	p.Title.Padding = vg.Points(8)
	// In a corner without lines.
	p.Legend.Top, p.Legend.Left = true, rises(series)
	p.Legend.Padding, p.Legend.ThumbnailWidth = vg.Points(3), vg.Points(36)
	grid := plotter.NewGrid()
	grid.Horizontal.Color, grid.Vertical.Color = color.Gray{225}, color.Gray{225}
	p.Add(grid)
	if a.log {
		p.X.Scale, p.Y.Scale = plot.LogScale{}, plot.LogScale{}
		p.X.Tick.Marker, p.Y.Tick.Marker = powersOfTwo{}, powersOfTwo{}
	}
	n, drawn := 0, len(series)
	for _, s := range series {
		if s.limit {
			drawn--
		}
	}
	for _, s := range series {
		l, dots, err := plotter.NewLinePoints(s.xy)
		if err != nil {
			return nil, fmt.Errorf("%s: %s: %w", title, s.name, err)
		}
		l.Width = vg.Points(1.8)
		if s.limit {
			l.Color, l.Width = color.Gray{205}, vg.Points(7)
			p.Add(l)
			p.Legend.Add(s.name, l)
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
		p.Legend.Add(s.name, l, dots)
	}
	if !a.log {
		p.Y.Min = 0
	}
	c := vgsvg.New(16*vg.Centimeter, 10*vg.Centimeter)
	// The title would touch the upper edge.
	p.Draw(draw.Crop(draw.New(c), 0, 0, 0, -margin))
	var out bytes.Buffer
	_, err := c.WriteTo(&out)
	return out.Bytes(), err
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
			ticks = append(ticks, plot.Tick{Value: v, Label: number(v)})
		}
	}
	return ticks
}
