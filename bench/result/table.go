package result

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"golang.org/x/perf/benchmath"
	"golang.org/x/perf/benchunit"
)

// Confidence is the confidence level of the intervals in tables.
const Confidence = 0.95

// TableOptions are options for a table of samples.
type TableOptions struct {
	// Best is a unit whose highest median is marked in each benchmark.
	Best string
	// Notes are lines below the table.
	Notes []string
}

// Row summarizes all samples of one configuration.
type Row struct {
	Name      string
	Keys      []Key
	Simulated bool
	// Units are in the order in which they first occur.
	Units   []string
	Summary map[string]benchmath.Summary
	values  map[string][]float64
}

// N returns the number of samples of a unit.
func (r *Row) N(unit string) int { return len(r.values[unit]) }

// Rows gathers the samples of each configuration, in the order in which they
// first occur, and finds median and confidence interval of each unit.
func Rows(samples []Sample) []*Row {
	var rows []*Row
	at := map[string]*Row{}
	for _, s := range samples {
		id := fmt.Sprint(s.Simulated, " ", s.fullName())
		row := at[id]
		if row == nil {
			row = &Row{Name: s.Name, Keys: s.Keys, Simulated: s.Simulated,
				Summary: map[string]benchmath.Summary{}, values: map[string][]float64{}}
			at[id] = row
			rows = append(rows, row)
		}
		for _, v := range s.Values {
			if !slices.Contains(row.Units, v.Unit) {
				row.Units = append(row.Units, v.Unit)
			}
			row.values[v.Unit] = append(row.values[v.Unit], v.Value)
		}
	}
	for _, row := range rows {
		for unit, values := range row.values {
			sample := benchmath.NewSample(slices.Clone(values), &benchmath.DefaultThresholds)
			row.Summary[unit] = benchmath.AssumeNothing.Summary(sample, Confidence)
		}
	}
	return rows
}

// WriteTable prints medians with confidence intervals, one table per benchmark.
func WriteTable(w io.Writer, r Run, o TableOptions) error {
	rows := Rows(r.Samples)
	few := false
	for len(rows) > 0 {
		first := rows[0]
		var table, rest []*Row
		for _, r := range rows {
			if sameTable(r, first) {
				table = append(table, r)
			} else {
				rest = append(rest, r)
			}
		}
		tooFew, err := writeRows(w, table, o)
		if err != nil {
			return err
		}
		few, rows = few || tooFew, rest
	}
	if few {
		fmt.Fprintln(w, "without ±: the median of too few samples for a confidence interval at level", Confidence)
	}
	for _, note := range o.Notes {
		fmt.Fprintln(w, note)
	}
	p := r.Provenance
	program := p.Versions["batchscore"]
	if p.Commit != Unknown {
		program += " (" + p.Commit + ")"
	}
	if p.Seed != 0 {
		program += fmt.Sprintf("; seed %d", p.Seed)
	}
	_, err := fmt.Fprintf(w, "%s, %d cores, %.1f GB, %s %s; batchscore %s; %s\n",
		p.CPU, p.Cores, float64(p.Memory)/1e9, p.OS, p.Kernel, program, p.Date.Format("2006-01-02"))
	return err
}

// sameTable reports whether two rows belong in one table.
func sameTable(a, b *Row) bool {
	return a.Name == b.Name && a.Simulated == b.Simulated &&
		slices.EqualFunc(a.Keys, b.Keys, func(x, y Key) bool { return x.Name == y.Name })
}

func writeRows(out io.Writer, rows []*Row, o TableOptions) (few bool, err error) {
	title := rows[0].Name
	if rows[0].Simulated {
		title += " (simulated)"
	}
	units, best := unitsOf(rows, o.Best)
	varies := varying(rows)
	var head []string
	for i, k := range rows[0].Keys {
		if varies[i] {
			head = append(head, k.Name)
		} else {
			title += ", " + k.Name + " " + k.Value
		}
	}
	if _, err := fmt.Fprintln(out, title); err != nil {
		return false, err
	}
	lines := [][]string{append(head, units...)}
	for i, r := range rows {
		var line []string
		for i, k := range r.Keys {
			if varies[i] {
				line = append(line, k.Value)
			}
		}
		for _, unit := range units {
			cell, tooFew := r.cell(unit)
			line, few = append(line, cell), few || tooFew
		}
		if i == best && len(rows) > 1 {
			line = append(line, "<- best")
		}
		lines = append(lines, line)
	}
	if len(rows) == 1 && len(lines[0]) > mostAcross {
		lines = transposed(lines)
	}
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	for _, line := range lines {
		fmt.Fprintln(w, strings.Join(line, "\t"))
	}
	if err := w.Flush(); err != nil {
		return false, err
	}
	_, err = fmt.Fprintln(out)
	return few, err
}

// mostAcross is how many columns a table of one row has at most. With more, it has one
// line for each instead.
const mostAcross = 6

func transposed(lines [][]string) [][]string {
	turned := make([][]string, len(lines[0]))
	for i := range turned {
		for _, line := range lines {
			turned[i] = append(turned[i], line[i])
		}
	}
	return turned
}

// unitsOf returns the units of all rows, and the index of the row with the best value of
// one unit; -1 if no row has that unit.
func unitsOf(rows []*Row, of string) (units []string, best int) {
	best = -1
	highest := math.Inf(-1)
	for i, r := range rows {
		for _, unit := range r.Units {
			if !slices.Contains(units, unit) {
				units = append(units, unit)
			}
		}
		if s, ok := r.Summary[of]; ok && s.Center > highest {
			best, highest = i, s.Center
		}
	}
	return units, best
}

// cell returns a unit's median with its interval. tooFew is true if there are several
// samples, but too few for an interval.
func (r *Row) cell(unit string) (text string, tooFew bool) {
	s, ok := r.Summary[unit]
	switch {
	case !ok:
		return "-", false
	case r.N(unit) == 1:
		return show(s.Center), false
	case math.IsInf(s.Lo, 0) || math.IsInf(s.Hi, 0):
		return show(s.Center), true
	}
	return show(s.Center) + " ± " + s.PctRangeString(), false
}

// varying returns the keys that get a column: those that differ between the rows or, if
// none does, the first.
func varying(rows []*Row) []bool {
	varies := make([]bool, len(rows[0].Keys))
	for i := range varies {
		varies[i] = slices.ContainsFunc(rows, func(r *Row) bool { return r.Keys[i].Value != rows[0].Keys[i].Value })
	}
	if len(varies) > 0 && !slices.Contains(varies, true) {
		varies[0] = true
	}
	return varies
}

// show returns a value with four digits, and a prefix if it is large.
func show(v float64) string {
	if v == 0 {
		return "0"
	}
	if math.Abs(v) >= 1e5 || math.IsNaN(v) || math.IsInf(v, 0) {
		return benchunit.Scale(v, benchunit.Decimal)
	}
	before := int(math.Floor(math.Log10(math.Abs(v)))) + 1
	return strconv.FormatFloat(v, 'f', max(0, min(4-before, 6)), 64)
}
