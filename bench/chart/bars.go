package chart

import (
	"fmt"
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
)

// Bar is one bar of a chart. Lo and Hi are the ends of its confidence interval; they
// are infinite if there is none.
type Bar struct {
	Name          string
	Value, Lo, Hi float64
	// Group selects the colour: bars of one group have the same one.
	Group int
}

// Bars returns an SVG of horizontal bars, the first at the top, each with its value and
// its confidence interval. axis names the values with their unit.
func Bars(title, axis string, bars []Bar) ([]byte, error) {
	p := empty(title)
	p.X.Label.Text = axis
	p.X.Min = 0
	grid := plotter.NewGrid()
	grid.Horizontal.Width, grid.Vertical.Color = 0, light
	p.Add(grid)
	names := make([]string, len(bars))
	var ends plotter.XYs
	var labels []string
	var spans intervals
	most := 0.0
	for i, b := range bars {
		at := float64(len(bars) - 1 - i)
		names[len(bars)-1-i] = b.Name
		bar, err := plotter.NewBarChart(plotter.Values{b.Value}, vg.Points(18))
		if err != nil {
			return nil, fmt.Errorf("%s: %s: %w", title, b.Name, err)
		}
		bar.Horizontal, bar.XMin, bar.Color = true, at, palette[b.Group%len(palette)]
		bar.LineStyle.Width = 0
		p.Add(bar)
		end := b.Value
		if !math.IsInf(b.Lo, 0) && !math.IsInf(b.Hi, 0) && b.Hi > b.Lo {
			spans.XYs = append(spans.XYs, plotter.XY{X: b.Value, Y: at})
			spans.XErrors = append(spans.XErrors, struct{ Low, High float64 }{b.Value - b.Lo, b.Hi - b.Value})
			end = b.Hi
		}
		most = max(most, end)
		ends = append(ends, plotter.XY{X: end, Y: at})
		labels = append(labels, " "+Number(b.Value))
	}
	if len(spans.XYs) > 0 {
		whiskers, err := plotter.NewXErrorBars(spans)
		if err != nil {
			return nil, err
		}
		whiskers.LineStyle.Width = vg.Points(1.2)
		p.Add(whiskers)
	}
	values, err := plotter.NewLabels(plotter.XYLabels{XYs: ends, Labels: labels})
	if err != nil {
		return nil, err
	}
	values.Offset.X = vg.Points(3)
	for i := range values.TextStyle {
		values.TextStyle[i].YAlign = -0.4
	}
	p.Add(values)
	p.NominalY(names...)
	p.Y.LineStyle.Width = 0
	p.X.Max = most * 1.15 // room for the value of the longest bar
	p.X.Tick.Marker = thousands{}
	return svg(p, 16*vg.Centimeter, vg.Points(80)+vg.Length(len(bars))*vg.Points(26))
}

// intervals are the confidence intervals of bars.
type intervals struct {
	plotter.XYs
	plotter.XErrors
}

// thousands returns the default ticks, with separators in their labels.
type thousands struct{}

func (thousands) Ticks(lowest, highest float64) []plot.Tick {
	ticks := plot.DefaultTicks{}.Ticks(lowest, highest)
	for i := range ticks {
		if ticks[i].Label != "" {
			ticks[i].Label = Number(ticks[i].Value)
		}
	}
	return ticks
}
