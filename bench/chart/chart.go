// Package chart draws the charts of benchmarks as SVG or PNG. A browser shows an SVG in its
// light or dark colours, and narrower if the page is narrow.
//
//  1. [Lines], [Bars] and [Ranks] check the values and choose the axes (axis.go).
//  2. They place the title, the legend and the plot below each other. Texts that are
//     too wide take several lines (text.go).
//  3. A canvas collects the shapes (canvas.go), and a [Drawing] writes them (svg.go, png.go).
package chart

import (
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/batchscore/batchscore/bench/ranks"
)

// Axes are the labels of a chart's axes, with their units. With Log both are
// logarithmic, with powers of two.
type Axes struct {
	X, Y string
	Log  bool
}

// Point is one point of a line.
type Point struct{ X, Y float64 }

// Line is one series of a chart.
type Line struct {
	Name string
	XY   []Point
	// Limit marks a line that shows the ideal. It is drawn as a broad grey line
	// below the others, without marks, and comes first.
	Limit bool
	// Dots leaves the line out and draws its points only.
	Dots bool
}

// Drawing is a chart that has been drawn.
type Drawing struct {
	title  string
	height float64 // in pixels
	shapes []shape
}

// Endings are those of the files that a chart can be written to.
var Endings = []string{".svg", ".png"}

// File returns the chart as the ending of a file's name says: as PNG, or else as SVG.
func (d *Drawing) File(name string) ([]byte, error) {
	if strings.EqualFold(filepath.Ext(name), ".png") {
		return d.PNG()
	}
	return d.SVG(), nil
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
	return Line{Name: name, XY: []Point{{X: lowest, Y: lowest * each}, {X: highest, Y: highest * each}}, Limit: true}
}

// Bar is one bar of a chart. Lo and Hi are the ends of its confidence interval; they
// are infinite if there is none.
type Bar struct {
	Name          string
	Value, Lo, Hi float64
	// Group selects the colour: bars of one group have the same one.
	Group int
}

// interval reports whether the bar has a confidence interval.
func (b Bar) interval() bool {
	return !math.IsInf(b.Lo, 0) && !math.IsInf(b.Hi, 0) && b.Hi > b.Lo
}

// Sizes in pixels.
const (
	width      = 560
	margin     = 16
	inner      = width - 2*margin
	plotHeight = 270
	rowHeight  = 28 // of a bar
	barHeight  = 18
	barCorner  = 2 // the radius of its corners
)

// checkValues returns an error if a value cannot be drawn.
func checkValues(title, name string, log bool, values ...float64) error {
	for _, v := range values {
		if math.IsNaN(v) || math.IsInf(v, 0) || log && v <= 0 {
			return fmt.Errorf("%s: %s: a chart cannot show the value %v", title, name, v)
		}
	}
	return nil
}

// Number returns v with three significant digits, or as an integer with separators if
// it has more.
func Number(v float64) string {
	switch a := math.Abs(v); {
	case math.IsInf(v, 0) || math.IsNaN(v):
		return "-"
	case a >= 1e15:
		return strconv.FormatFloat(v, 'g', 3, 64)
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
