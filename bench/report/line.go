package main

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/batchscore/batchscore/bench/chart"
)

// Line returns the medians of a unit over a key whose values are numbers.
func (s *samples) Line(name, key, unit string) (chart.Line, error) {
	rows, err := s.rows()
	if err != nil {
		return chart.Line{}, err
	}
	l := chart.Line{Name: name}
	for _, r := range rows {
		x, err := strconv.ParseFloat(value(r.Keys, key), 64)
		if err != nil {
			return l, fmt.Errorf("%s: %s: %w", s.from, key, err)
		}
		sum, ok := r.Summary[unit]
		if !ok {
			return l, fmt.Errorf("%s: no %s, but %v", s.from, unit, r.Units)
		}
		l.XY = append(l.XY, chart.Point{X: x, Y: sum.Center})
	}
	slices.SortFunc(l.XY, func(a, b chart.Point) int { return int(a.X - b.X) })
	for i := 1; i < len(l.XY); i++ {
		if l.XY[i].X == l.XY[i-1].X {
			return l, fmt.Errorf("%s: two configurations have %s=%v", s.from, key, l.XY[i].X)
		}
	}
	return l, nil
}
