package gpucheck

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/batchscore/batchscore/bench/chart"
	"github.com/batchscore/batchscore/bench/compare"
	"github.com/batchscore/batchscore/bench/result"
)

// drawing is a chart in a file next to the report.
type drawing struct {
	file, title string
	svg         []byte
}

// speedRow is a row of the sweep: its samples with a setting and a number of sessions, by
// batch.
type speedRow struct {
	model, precision, sessions string
	nhwc                       bool
	rates                      map[int]float64
	busy                       map[int]float64
}

// name returns how a row is computed.
func (r *speedRow) name() string {
	if r.nhwc {
		return r.precision + " nhwc"
	}
	return r.precision
}

// rows returns the samples of the sweep by row: those of a precision below each other.
func (r *Report) rows() []*speedRow {
	var rows []*speedRow
	for _, sample := range r.Samples {
		if sample.Name != sweepName {
			continue
		}
		row := &result.Row{Keys: sample.Keys}
		s := speedRow{model: row.Key("model"), precision: row.Key("precision"), sessions: row.Key("sessions"), nhwc: row.Key("nhwc") == "true"}
		i := slices.IndexFunc(rows, func(o *speedRow) bool {
			return o.model == s.model && o.precision == s.precision && o.sessions == s.sessions && o.nhwc == s.nhwc
		})
		if i < 0 {
			i = len(rows)
			s.rates, s.busy = map[int]float64{}, map[int]float64{}
			rows = append(rows, &s)
		}
		var batch int
		if _, err := fmt.Sscan(row.Key("batch"), &batch); err != nil {
			continue // not of the sweep
		}
		for _, v := range sample.Values {
			switch v.Unit {
			case compare.Rate:
				rows[i].rates[batch] = v.Value
			case "gpu-busy":
				rows[i].busy[batch] = v.Value
			}
		}
	}
	order := func(r *speedRow) int { return slices.Index([]string{fp32, tf32, fp16}, r.precision) }
	slices.SortStableFunc(rows, func(a, b *speedRow) int {
		nhwc := 0
		if a.nhwc != b.nhwc {
			nhwc = -1
			if a.nhwc {
				nhwc = 1
			}
		}
		return cmp.Or(order(a)-order(b), nhwc, strings.Compare(a.sessions, b.sessions))
	})
	return rows
}

// modelsOf returns the models of rows, in their order.
func modelsOf(rows []*speedRow) []string {
	var names []string
	for _, r := range rows {
		if !slices.Contains(names, r.model) {
			names = append(names, r.model)
		}
	}
	return names
}

// bestSessions returns of rows that differ in their sessions only the one with the highest
// rate at any batch, which charts show.
func bestSessions(rows []*speedRow) []*speedRow {
	var best []*speedRow
	peak := func(r *speedRow) (most float64) {
		for _, rate := range r.rates {
			most = max(most, rate)
		}
		return most
	}
	for _, r := range rows {
		if len(r.rates) < 2 {
			continue
		}
		i := slices.IndexFunc(best, func(o *speedRow) bool { return o.model == r.model && o.name() == r.name() })
		switch {
		case i < 0:
			best = append(best, r)
		case peak(r) > peak(best[i]):
			best[i] = r
		}
	}
	return best
}

// charts draws the rate of each model over the size of the batch, with a line for each
// way to compute it.
func (r *Report) charts() ([]drawing, error) {
	rows := r.rows()
	var all []drawing
	for _, model := range modelsOf(rows) {
		var lines []chart.Line
		for _, row := range bestSessions(rows) {
			if row.model != model {
				continue
			}
			line := chart.Line{Name: fmt.Sprintf("%s, sessions: %s", row.name(), row.sessions)}
			for _, b := range sorted(row.rates) {
				line.XY = append(line.XY, chart.Point{X: float64(b), Y: row.rates[b]})
			}
			lines = append(lines, line)
		}
		if len(lines) == 0 {
			continue
		}
		title := fmt.Sprintf("%s: images/s by batch, with the fastest number of sessions", model)
		if r.Hardware.StandIn {
			title += " (a stand-in that computes nothing)"
		}
		drawn, err := chart.Lines(title, chart.Axes{X: "images in a batch", Y: "images/s"}, lines)
		if err != nil {
			return all, err
		}
		all = append(all, drawing{file: "speed-" + model + ".svg", title: title, svg: drawn.SVG()})
	}
	return all, nil
}

// sorted returns the keys of a map in order.
func sorted(m map[int]float64) []int {
	var keys []int
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// speeds adds the figures of the sweep.
func (r *Report) speeds(b *strings.Builder, charts []drawing) {
	rows := r.rows()
	for _, model := range modelsOf(rows) {
		fmt.Fprintf(b, "\n### %s\n\n", model)
		for _, c := range charts {
			if c.file == "speed-"+model+".svg" {
				fmt.Fprintf(b, "![%s](%s)\n\n", c.title, c.file)
			}
		}
		speedTable(b, rows, model)
	}
	if len(r.Unmeasured) > 0 {
		fmt.Fprintf(b, "\n### Not measured\n\n")
		late := 0
		for _, text := range r.Unmeasured {
			if strings.HasSuffix(text, ": "+noTime) {
				late++ // report.json names them
				continue
			}
			fmt.Fprintf(b, "- %s\n", strings.NewReplacer("_", `\_`, "*", `\*`, "<", "&lt;").Replace(text))
		}
		if late > 0 {
			fmt.Fprintf(b, "- There was no time for %s of the sweep: give more with `--time`.\n", counted(late, "point"))
		}
	}
}

// speedTable adds the table of one model: images/s, and how busy the GPU was.
func speedTable(b *strings.Builder, rows []*speedRow, model string) {
	batches := map[int]float64{}
	best := 0.0
	for _, row := range rows {
		if row.model == model {
			for n, rate := range row.rates {
				batches[n], best = 0, max(best, rate)
			}
		}
	}
	sizes := sorted(batches)
	b.WriteString("images/s by batch; behind it the share of the time in which the GPU computed, if the driver says so. The best is bold.\n\n| | sessions |")
	for _, n := range sizes {
		fmt.Fprintf(b, " %d |", n)
	}
	b.WriteString("\n|---|---:|" + strings.Repeat("---:|", len(sizes)) + "\n")
	for _, row := range rows {
		if row.model != model {
			continue
		}
		fmt.Fprintf(b, "| %s | %s |", row.name(), row.sessions)
		for _, n := range sizes {
			rate, ok := row.rates[n]
			text := "-"
			if ok {
				text = chart.Number(rate)
				if rate == best {
					text = "**" + text + "**"
				}
			}
			if busy, ok := row.busy[n]; ok {
				text += fmt.Sprintf(" · %.0f%%", 100*busy)
			}
			fmt.Fprintf(b, " %s |", text)
		}
		b.WriteString("\n")
	}
}
