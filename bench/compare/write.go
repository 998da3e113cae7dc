package compare

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/batchscore/batchscore/bench/chart"
	"github.com/batchscore/batchscore/bench/result"
	"github.com/batchscore/batchscore/scorer/telemetry/columns"
	"github.com/batchscore/batchscore/scorer/telemetry/printable"
)

// Formats are those in which a table is written.
var Formats = []string{"text", "markdown", "csv", "json"}

// Write writes a table. Text is at most width characters wide; 0 is no limit.
func (t *Table) Write(w io.Writer, format string, width int) error {
	switch format {
	case "json":
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(t)
	case "csv":
		return t.writeCSV(w)
	case "markdown":
		return t.writeMarkdown(w)
	}
	return t.writeText(w, width)
}

// Title says what the table compares.
func (t *Table) Title() string {
	title := fmt.Sprintf("%s by %s, %s", t.Bench, t.By, t.Unit)
	if t.all(func(g *Group) bool { return g.Simulated }) {
		title += " (simulated)"
	}
	return title
}

// all reports whether something is true of all groups.
func (t *Table) all(is func(g *Group) bool) bool {
	for i := range t.Groups {
		if !is(&t.Groups[i]) {
			return false
		}
	}
	return true
}

// column is a column of the table for people.
type column struct {
	head   string
	figure bool
	cell   func(g *Group) string
}

// shown returns the columns that have something to say.
func (t *Table) shown() []column {
	mixed := !t.all(func(g *Group) bool { return g.Simulated == t.Groups[0].Simulated })
	all := []column{{head: t.By, cell: func(g *Group) string {
		if mixed && g.Simulated {
			return g.Name + " (simulated)"
		}
		return t.short(g.Name)
	}}}
	for i, name := range t.Dims {
		all = append(all, column{head: name, cell: func(g *Group) string { return g.Keys[i].Value }})
	}
	all = append(all,
		column{head: t.Unit, figure: true, cell: func(g *Group) string { return chart.Number(g.Value) }},
		column{head: "±", figure: true, cell: func(g *Group) string {
			if g.Low == nil {
				return "-"
			}
			return result.PlusMinus(g.Value, *g.Low, *g.High) + "%"
		}},
		column{head: "ratio", figure: true, cell: func(g *Group) string {
			switch {
			case g.Ratio == 0:
				return "-"
			case g.P != nil && *g.P > 0.05:
				return "same"
			}
			return strconv.FormatFloat(g.Ratio, 'f', 2, 64)
		}},
	)
	if t.priced() {
		all = append(all,
			column{head: "images/price", figure: true, cell: func(g *Group) string { return known(g.PerUnit, chart.Number) }},
			column{head: "price/1M", figure: true, cell: func(g *Group) string {
				text := known(g.PerMillion, chart.Number)
				if g.PerMillionLow > 0 {
					text += " ± " + result.PlusMinus(g.PerMillion, g.PerMillionLow, g.PerMillionHigh) + "%"
				}
				return text
			}})
	}
	if !t.all(func(g *Group) bool { return g.Samples == t.Groups[0].Samples }) {
		all = append(all, column{head: "samples", figure: true, cell: func(g *Group) string { return strconv.Itoa(g.Samples) }})
	}
	return append(all,
		column{head: "reached", figure: true, cell: func(g *Group) string {
			return known(g.OfLimit, func(v float64) string { return fmt.Sprintf("%.0f%%", 100*v) })
		}},
		column{head: "what limits", cell: func(g *Group) string {
			if g.Limits == "" {
				return "-"
			}
			return g.Limits
		}})
}

// short returns the name of a group without what the title says of all: that they are
// simulated.
func (t *Table) short(name string) string {
	const prefix = "simulated:"
	if !t.all(func(g *Group) bool { return g.Simulated && strings.HasPrefix(g.Name, prefix) }) {
		return name
	}
	return strings.TrimPrefix(name, prefix)
}

func (t *Table) priced() bool {
	return slices.ContainsFunc(t.Groups, func(g Group) bool { return g.PerUnit > 0 })
}

// brief returns the names of groups whose runs took less than EnoughSeconds.
func (t *Table) brief() (names []string) {
	for _, g := range t.Groups {
		if Brief(g.row) && !slices.Contains(names, g.Name) {
			names = append(names, g.Name)
		}
	}
	return names
}

// known returns a figure, or a dash if it is not known.
func known(v float64, text func(float64) string) string {
	if v == 0 {
		return "-"
	}
	return text(v)
}

// cells returns the heads and the lines of the table for people, without columns that
// hold nothing.
func (t *Table) cells() ([]column, [][]string) {
	shown := slices.DeleteFunc(t.shown(), func(c column) bool {
		return t.all(func(g *Group) bool { return c.cell(g) == "-" })
	})
	var lines [][]string
	for i := range t.Groups {
		var line []string
		for _, c := range shown {
			line = append(line, c.cell(&t.Groups[i]))
		}
		lines = append(lines, line)
	}
	return shown, lines
}

// remarks returns the notes, with those on how to read the table.
func (t *Table) remarks() []string {
	var notes []string
	if len(t.names()) > 1 {
		notes = append(notes, fmt.Sprintf("ratio compares with %s.", t.Groups[0].Name))
	}
	if slices.ContainsFunc(t.Groups, func(g Group) bool { return g.Low != nil }) {
		notes = append(notes, fmt.Sprintf("±: how far the farther end of the median's confidence interval at level %g is from it.", result.Confidence))
	}
	if slices.ContainsFunc(t.Groups, func(g Group) bool { return g.OfLimit > 0 }) {
		notes = append(notes, "reached: share of what all stages together allow, or of the ideal speed of all devices.")
	}
	if slices.ContainsFunc(t.Groups, func(g Group) bool { return g.OfLimit > above }) {
		notes = append(notes, "warning: more than 100% was reached, so the stages were slower when they were measured alone: measure again, longer"+
			" (--least) and on an idle machine.")
	}
	if n := t.Groups[0].Samples; t.all(func(g *Group) bool { return g.Samples == n }) && n > 1 {
		notes = append(notes, fmt.Sprintf("each row is the median of %d samples.", n))
	} else if n == 1 && t.Bench != "Simulate" {
		notes = append(notes, "one sample only: a difference may be chance; measure with --rounds 6 or more.")
	}
	if short := t.brief(); len(short) > 0 {
		notes = append(notes, fmt.Sprintf("warning: runs of %s took less than %d s, and starting and ending is a large part of that: take more images.",
			strings.Join(short, ", "), EnoughSeconds))
	}
	if slices.ContainsFunc(t.Groups, func(g Group) bool { return g.P != nil && *g.P > 0.05 }) {
		notes = append(notes, "same: the samples do not show a difference (p > 0.05, Mann-Whitney U test).")
	}
	if slices.ContainsFunc(t.Groups, func(g Group) bool { return g.Low == nil && g.Samples > 1 }) {
		notes = append(notes, "without an interval: too few samples; measure with --rounds 6 or more.")
	}
	if t.priced() {
		notes = append(notes, "images/price: for one unit of the currency of --price; price/1M: of a million images.")
	}
	return append(notes, t.Notes...)
}

// leastFirst are the heads of columns that are left out where there is little room, in
// this order.
var leastFirst = []string{"images/price", "what limits", "reached", "samples"}

// table returns the lines of a table with its heads.
func table(shown []column, lines [][]string) []string {
	heads := make([]string, len(shown))
	for i, c := range shown {
		heads[i] = c.head
	}
	return columns.Table(append([][]string{heads}, lines...), func(i int) bool { return shown[i].figure })
}

// tooWide reports whether a line of a table has more than width columns; 0 is no limit.
func tooWide(table []string, width int) bool {
	return width > 0 && slices.ContainsFunc(table, func(line string) bool { return columns.Width(line) > width })
}

func (t *Table) writeText(w io.Writer, width int) error {
	shown, lines := t.cells()
	across := table(shown, lines)
	// On a narrow terminal some columns are left out, if that suffices.
	var left []string
	if tooWide(across, width) {
		few, fewLines := slices.Clone(shown), lines
		for _, head := range leastFirst {
			i := slices.IndexFunc(few, func(c column) bool { return c.head == head })
			if i < 0 {
				continue
			}
			few = slices.Delete(slices.Clone(few), i, i+1)
			shorter := make([][]string, len(fewLines))
			for j, l := range fewLines {
				shorter[j] = slices.Delete(slices.Clone(l), i, i+1)
			}
			fewLines, left = shorter, append(left, head)
			if a := table(few, fewLines); !tooWide(a, width) {
				across = a
				break
			}
		}
		if tooWide(across, width) {
			left = nil // in blocks there is room for all
		}
	}
	var b strings.Builder
	for _, l := range columns.Fit(t.Title(), width) {
		b.WriteString(l + "\n")
	}
	b.WriteString("\n")
	if tooWide(across, width) {
		writeBlocks(&b, shown, lines, width)
	} else {
		b.WriteString(strings.Join(across, "\n") + "\n")
	}
	b.WriteString("\n")
	notes := t.remarks()
	if len(left) > 0 {
		notes = append(notes, "The terminal is too narrow for "+strings.Join(left, ", ")+".")
	}
	for _, note := range notes {
		for _, l := range columns.Fit(note, width) {
			b.WriteString(l + "\n")
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// writeBlocks writes each line of a table as a block of lines, for narrow terminals.
func writeBlocks(b *strings.Builder, shown []column, lines [][]string, width int) {
	widest := 0
	for _, c := range shown[1:] {
		widest = max(widest, columns.Width(c.head))
	}
	for _, l := range lines {
		b.WriteString(columns.Cut(l[0], width) + "\n")
		for i, c := range shown[1:] {
			b.WriteString(columns.Cut("  "+columns.Pad(c.head, widest)+"  "+l[i+1], width) + "\n")
		}
	}
}

// inMarkdown keeps a text from adding cells and elements.
var inMarkdown = strings.NewReplacer(`\`, `\\`, "|", `\|`, "<", "&lt;", "&", "&amp;", "[", `\[`, "`", "\\`")

func (t *Table) writeMarkdown(w io.Writer) error {
	shown, lines := t.cells()
	var b strings.Builder
	fmt.Fprintf(&b, "**%s**\n\n|", inMarkdown.Replace(printable.Line(t.Title())))
	for _, c := range shown {
		b.WriteString(" " + inMarkdown.Replace(printable.Line(c.head)) + " |")
	}
	b.WriteString("\n|")
	for _, c := range shown {
		if c.figure {
			b.WriteString("---:|")
		} else {
			b.WriteString("---|")
		}
	}
	b.WriteString("\n")
	for _, l := range lines {
		b.WriteString("|")
		for _, text := range l {
			b.WriteString(" " + inMarkdown.Replace(printable.Line(text)) + " |")
		}
		b.WriteString("\n")
	}
	for _, note := range t.remarks() {
		b.WriteString("\n" + inMarkdown.Replace(printable.Line(note)) + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// writeCSV writes all figures with all their digits.
func (t *Table) writeCSV(w io.Writer) error {
	out := csv.NewWriter(w)
	head := append([]string{t.By}, t.Dims...)
	head = append(head, "benchmark", "simulated", "samples", t.Unit, "low", "high", "ratio", "p",
		"price", "images_per_currency", "price_per_million", "of_limit", "limits", "price_per_million_low", "price_per_million_high")
	if err := out.Write(head); err != nil {
		return err
	}
	figure := func(v float64) string {
		if v == 0 {
			return ""
		}
		return strconv.FormatFloat(v, 'g', -1, 64)
	}
	maybe := func(v *float64) string {
		if v == nil {
			return ""
		}
		return strconv.FormatFloat(*v, 'g', -1, 64)
	}
	for _, g := range t.Groups {
		line := []string{g.Name}
		for _, k := range g.Keys {
			line = append(line, k.Value)
		}
		line = append(line, t.Bench, strconv.FormatBool(g.Simulated), strconv.Itoa(g.Samples), figure(g.Value), maybe(g.Low), maybe(g.High),
			figure(g.Ratio), maybe(g.P), figure(g.Price), figure(g.PerUnit), figure(g.PerMillion), figure(g.OfLimit), g.Limits,
			figure(g.PerMillionLow), figure(g.PerMillionHigh))
		if err := out.Write(line); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}
