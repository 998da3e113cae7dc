package result

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/perf/benchmath"
	"golang.org/x/perf/benchunit"

	"github.com/batchscore/batchscore/scorer/telemetry/columns"
)

// Confidence is the confidence level of the intervals in tables.
const Confidence = 0.95

// TableOptions are options for a table of samples.
type TableOptions struct {
	// Best is a unit whose highest median is marked in each benchmark.
	Best string
	// Notes are lines below the table.
	Notes []string
	// First are the units that matter most. A table of several rows has only these
	// unless Details is set; a table of one row has the others below them.
	First   []string
	Details bool
	// Words explain the names of units and keys.
	Words map[string]string
	// Width is how many characters wide the table may be; 0 is no limit.
	Width int
	// Limits returns what limits a row, or "".
	Limits func(*Row) string
	// Derive changes figures that follow from the medians of others.
	Derive func(*Row)
}

// Row summarizes all samples of one configuration.
type Row struct {
	Name      string
	Keys      []Key
	Simulated bool
	// Iterations is that of the first sample.
	Iterations int
	// Units are in the order in which they first occur.
	Units   []string
	Summary map[string]benchmath.Summary
	values  map[string][]float64
}

// N returns the number of samples of a unit.
func (r *Row) N(unit string) int { return len(r.values[unit]) }

// Sample returns the values of a unit for statistics.
func (r *Row) Sample(unit string) *benchmath.Sample {
	return benchmath.NewSample(slices.Clone(r.values[unit]), &benchmath.DefaultThresholds)
}

// Add adds values of a unit, one for each sample, and their summary.
func (r *Row) Add(unit string, values ...float64) {
	if !slices.Contains(r.Units, unit) {
		r.Units = append(r.Units, unit)
	}
	r.values[unit] = append(r.values[unit], values...)
	r.Summary[unit] = benchmath.AssumeNothing.Summary(r.Sample(unit), Confidence)
}

// Values returns the values of a unit, in the order of the samples.
func (r *Row) Values(unit string) []float64 { return r.values[unit] }

// Key returns the value of a key, or "".
func (r *Row) Key(name string) string {
	for _, k := range r.Keys {
		if k.Name == name {
			return k.Value
		}
	}
	return ""
}

// Interval returns the confidence interval of a unit. ok is false if there are too few
// samples for one.
func (r *Row) Interval(unit string) (lo, hi float64, ok bool) {
	s := r.Summary[unit]
	return s.Lo, s.Hi, r.N(unit) > 1 && !math.IsInf(s.Lo, 0) && !math.IsInf(s.Hi, 0)
}

// PlusMinus returns what is behind the sign ± everywhere: how far the farther end of the
// confidence interval is from the median, in per cent of the median, rounded up.
func PlusMinus(median, lo, hi float64) string {
	far := max(hi-median, median-lo)
	if far == 0 {
		return "0"
	}
	const rounding = 1e-9
	percent := math.Ceil(100*far/math.Abs(median) - rounding)
	if math.IsInf(percent, 0) || math.IsNaN(percent) {
		return "∞"
	}
	return strconv.FormatFloat(percent, 'f', 0, 64)
}

// Rows gathers the samples of each configuration, in the order in which they
// first occur, and finds median and confidence interval of each unit.
func Rows(samples []Sample) []*Row {
	var rows []*Row
	at := map[string]*Row{}
	for _, s := range samples {
		id := fmt.Sprint(s.Simulated, " ", s.fullName())
		row := at[id]
		if row == nil {
			row = &Row{Name: s.Name, Keys: s.Keys, Simulated: s.Simulated, Iterations: s.Iterations,
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
		for unit := range row.values {
			row.Summary[unit] = benchmath.AssumeNothing.Summary(row.Sample(unit), Confidence)
		}
	}
	return rows
}

// WriteTable prints medians with confidence intervals, one table per benchmark.
func WriteTable(w io.Writer, r Run, o TableOptions) error {
	rows := Rows(r.Samples)
	for _, row := range rows {
		if o.Derive != nil {
			o.Derive(row)
		}
	}
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
		fmt.Fprintln(w, strings.Join(columns.Fit(note, o.Width), "\n"))
	}
	p := r.Provenance
	program := p.Versions["batchscore"]
	if p.Commit != Unknown {
		program += " (" + p.Commit + ")"
	}
	if p.Seed != 0 {
		program += fmt.Sprintf("; seed %d", p.Seed)
	}
	processors := fmt.Sprintf("%s, %d cores", p.CPU, p.Cores)
	if p.GPU != "" {
		processors = p.GPU + "; " + processors
	}
	origin := fmt.Sprintf("%s, %.1f GB, %s %s; batchscore %s; %s",
		processors, float64(p.Memory)/1e9, p.OS, p.Kernel, program, p.Date.Format("2006-01-02"))
	_, err := fmt.Fprintln(w, strings.Join(columns.Fit(origin, o.Width), "\n"))
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
		if k.Name == keyBinds {
			varies[i] = true // a result
		}
		if varies[i] {
			head = append(head, k.Name)
		} else {
			title += ", " + k.Name + " " + k.Value
		}
	}
	if _, err := fmt.Fprintln(out, strings.Join(columns.Fit(title, o.Width), "\n")); err != nil {
		return false, err
	}
	if len(rows) == 1 && len(head)+len(units) > mostAcross {
		return writeDown(out, rows[0], head, units, o)
	}
	if len(o.First) > 0 && !o.Details {
		units = slices.DeleteFunc(slices.Clone(o.First), func(u string) bool { return !slices.Contains(units, u) })
	}
	limits := o.Limits != nil && slices.ContainsFunc(rows, func(r *Row) bool { return r.Key(keyBinds) == "" && o.Limits(r) != "" })
	for i, name := range head {
		if name == keyBinds {
			head[i] = headLimits
		}
	}
	table := func(units []string) [][]string {
		heads := slices.Concat(head, units)
		if limits {
			heads = append(heads, headLimits)
		}
		lines := [][]string{heads}
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
			if limits {
				line = append(line, o.Limits(r))
			}
			if i == best && len(rows) > 1 {
				line = append(line, "<- best")
			}
			lines = append(lines, line)
		}
		return lines
	}
	// On a narrow terminal the last figures are left out, if that suffices.
	for n := len(units); n > 0; n-- {
		var text bytes.Buffer
		if err := flush(&text, table(units[:n])); err != nil {
			return few, err
		}
		if tooWide(text.Bytes(), o.Width) {
			continue
		}
		if n < len(units) {
			note := "The terminal is too narrow for " + strings.Join(units[n:], ", ") + "."
			fmt.Fprintln(&text, strings.Join(columns.Fit(note, o.Width), "\n"))
		}
		_, err := text.WriteTo(out)
		return few, err
	}
	return few, blocks(out, table(units), o.Width)
}

// keyBinds is a key that says what limits a run. It is shown with the head headLimits.
const (
	keyBinds   = "binds"
	headLimits = "what limits"
)

// flush prints lines of cells, and an empty line.
func flush(out io.Writer, lines [][]string) error {
	for _, line := range columns.Table(lines, nil) {
		if _, err := fmt.Fprintln(out, line); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintln(out)
	return err
}

// writeDown prints a row that is too wide for a line with a line for each figure: first
// those that matter most, then the others.
func writeDown(out io.Writer, r *Row, keys, units []string, o TableOptions) (few bool, err error) {
	line := func(name, value string) []string {
		if words := o.Words[name]; words != "" {
			return []string{name, value, words}
		}
		return []string{name, value}
	}
	var first, others [][]string
	for _, name := range keys {
		if name != keyBinds {
			first = append(first, line(name, r.Key(name)))
		}
	}
	for _, unit := range units {
		cell, tooFew := r.cell(unit)
		few = few || tooFew
		if len(o.First) == 0 || slices.Contains(o.First, unit) {
			first = append(first, line(unit, cell))
		} else {
			others = append(others, line(unit, cell))
		}
	}
	limits := r.Key(keyBinds)
	if limits == "" && o.Limits != nil {
		limits = o.Limits(r)
	}
	if limits != "" {
		first = append(first, []string{headLimits, limits})
	}
	if err := down(out, first, o.Width); err != nil || len(others) == 0 {
		return few, err
	}
	return few, down(out, others, o.Width)
}

// down prints lines of a name, a value and words, without the words if the terminal is
// too narrow for them, and an empty line.
func down(out io.Writer, lines [][]string, width int) error {
	var text bytes.Buffer
	if err := flush(&text, lines); err != nil {
		return err
	}
	if tooWide(text.Bytes(), width) {
		text.Reset()
		for i := range lines {
			lines[i] = lines[i][:2]
		}
		if err := flush(&text, lines); err != nil {
			return err
		}
	}
	for line := range strings.Lines(text.String()) {
		if _, err := fmt.Fprintln(out, columns.Cut(strings.TrimRight(line, "\n"), width)); err != nil {
			return err
		}
	}
	return nil
}

// mostAcross is how many columns a table of one row has at most. With more, each has a
// line instead.
const mostAcross = 6

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
	return show(s.Center) + " ± " + PlusMinus(s.Center, s.Lo, s.Hi) + "%", false
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
