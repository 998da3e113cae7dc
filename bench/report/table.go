package main

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/batchscore/batchscore/bench/chart"
	"github.com/batchscore/batchscore/bench/result"
)

// Table returns a table with a row for every configuration: the keys that differ, then
// the units, each as its median with its confidence interval (result.PlusMinus). A unit
// is given as "images/s", or as "images/s=name of the column". Without any, the table
// has all units.
func (s *samples) Table(units ...string) (string, error) {
	rows, err := s.rows()
	if err != nil {
		return "", err
	}
	var keys []string
	for _, name := range keyNames(rows) {
		if slices.ContainsFunc(rows, func(r *result.Row) bool { return value(r.Keys, name) != value(rows[0].Keys, name) }) || len(rows) == 1 {
			keys = append(keys, name)
		}
	}
	if len(units) == 0 {
		units = rows[0].Units
	}
	t := newTable(rows[0].Simulated, keys)
	for _, u := range units {
		t.head = append(t.head, title(u))
	}
	for _, r := range rows {
		var cells []string
		for _, name := range keys {
			cells = append(cells, value(r.Keys, name))
		}
		for _, u := range units {
			cells = append(cells, cell(r, unitOf(u)))
		}
		t.rows = append(t.rows, cells)
	}
	return t.String(), nil
}

// Pivot returns a table with a row for every value of the key down, a column for every
// value of the key across, and the median of a unit in the cells.
func (s *samples) Pivot(down, across, unit string) (string, error) {
	rows, err := s.rows()
	if err != nil {
		return "", err
	}
	var downs, acrosses []string
	at := map[[2]string]*result.Row{}
	for _, r := range rows {
		d, a := value(r.Keys, down), value(r.Keys, across)
		if at[[2]string{d, a}] != nil {
			return "", fmt.Errorf("%s: several configurations have %s=%s, %s=%s", s.from, down, d, across, a)
		}
		at[[2]string{d, a}] = r
		if !slices.Contains(downs, d) {
			downs = append(downs, d)
		}
		if !slices.Contains(acrosses, a) {
			acrosses = append(acrosses, a)
		}
	}
	t := newTable(rows[0].Simulated, []string{down + " \\ " + across})
	t.head = append(t.head, acrosses...)
	for _, d := range downs {
		cells := []string{d}
		for _, a := range acrosses {
			if r := at[[2]string{d, a}]; r != nil {
				cells = append(cells, cell(r, unitOf(unit)))
			} else {
				cells = append(cells, "-")
			}
		}
		t.rows = append(t.rows, cells)
	}
	return t.String(), nil
}

func keyNames(rows []*result.Row) (names []string) {
	for _, r := range rows {
		for _, k := range r.Keys {
			if !slices.Contains(names, k.Name) {
				names = append(names, k.Name)
			}
		}
	}
	return names
}

func unitOf(u string) string { unit, _, _ := strings.Cut(u, "="); return unit }

func title(u string) string {
	if unit, title, ok := strings.Cut(u, "="); ok {
		return title
	} else {
		return unit
	}
}

func cell(r *result.Row, unit string) string {
	s, ok := r.Summary[unit]
	if !ok {
		return "-"
	}
	text := chart.Number(s.Center)
	if width := max(s.Hi-s.Center, s.Center-s.Lo) / s.Center; r.N(unit) > 1 && width > 0.0005 && !math.IsInf(width, 0) && !math.IsNaN(width) {
		text += " ± " + result.PlusMinus(s.Center, s.Lo, s.Hi) + " %"
	}
	return text
}

// table is a table in Markdown.
type table struct {
	simulated bool
	head      []string
	rows      [][]string
	text      int // columns of text at the left; the others are figures
}

func newTable(simulated bool, keys []string) *table {
	return &table{simulated: simulated, head: slices.Clone(keys), text: len(keys)}
}

func (t *table) String() string {
	var b strings.Builder
	if t.simulated {
		b.WriteString("*Simulated devices:*\n\n")
	}
	fmt.Fprintf(&b, "| %s |\n|", strings.Join(t.head, " | "))
	for i := range t.head {
		if i < t.text {
			b.WriteString("---|")
		} else {
			b.WriteString("---:|")
		}
	}
	for _, r := range t.rows {
		fmt.Fprintf(&b, "\n| %s |", strings.Join(r, " | "))
	}
	return b.String()
}
