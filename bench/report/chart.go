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
	// limit marks a line that shows the ideal. It is drawn dashed and without dots.
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

var grey = color.Gray{128}

func rises(series []line) bool {
	first := series[0].xy
	return first[len(first)-1].Y > first[0].Y
}

// chart returns an SVG of lines, which have at least two points each.
func chart(title string, a axes, series []line) ([]byte, error) {
	plot.DefaultFont.Variant = "Sans"
	p := plot.New()
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = title, a.x, a.y
	p.Title.Padding = vg.Points(8)
	// In a corner without lines.
	p.Legend.Top, p.Legend.Left = true, rises(series)
	p.Legend.Padding, p.Legend.ThumbnailWidth = vg.Points(3), vg.Points(24)
	grid := plotter.NewGrid()
	grid.Horizontal.Color, grid.Vertical.Color = color.Gray{225}, color.Gray{225}
	p.Add(grid)
	if a.log {
		p.X.Scale, p.Y.Scale = plot.LogScale{}, plot.LogScale{}
		p.X.Tick.Marker, p.Y.Tick.Marker = powersOfTwo{}, powersOfTwo{}
	}
	n := 0
	for _, s := range series {
		l, dots, err := plotter.NewLinePoints(s.xy)
		if err != nil {
			return nil, fmt.Errorf("%s: %s: %w", title, s.name, err)
		}
		l.Width = vg.Points(1.5)
		if s.limit {
			l.Color, l.Dashes = grey, []vg.Length{vg.Points(4), vg.Points(3)}
			p.Add(l)
			p.Legend.Add(s.name, l)
			continue
		}
		l.Color, dots.Color = palette[n%len(palette)], palette[n%len(palette)]
		dots.Shape, dots.Radius = draw.CircleGlyph{}, vg.Points(2.5)
		n++
		p.Add(l, dots)
		p.Legend.Add(s.name, l, dots)
	}
	if !a.log {
		p.Y.Min = 0
	}
	c := vgsvg.New(16*vg.Centimeter, 10*vg.Centimeter)
	p.Draw(draw.New(c))
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
