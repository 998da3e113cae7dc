package page

import (
	"fmt"
	"math"

	"github.com/batchscore/batchscore/scorer/review/evaluate"
)

// value writes a figure from 0 to 1 that may not exist.
func value(v evaluate.Value) string { return score(float64(v)) }

// valuePercent writes a share that may not exist.
func valuePercent(v evaluate.Value) string { return percent(float64(v)) }

// bounds writes the bounds of a share.
func bounds(i evaluate.Interval) string {
	if !i.Low.Known() || !i.High.Known() {
		return ""
	}
	return valuePercent(i.Low) + " to " + valuePercent(i.High)
}

// sortable writes a figure for scripts, which sort by it: one that does not exist comes first.
func sortable(v evaluate.Value) string {
	if !v.Known() {
		return "-1"
	}
	return exact(float64(v))
}

// Whisker is a drawing of an interval, over a width of 100.
type Whisker struct{ X, W, At string }

func whisker(i evaluate.Interval) *Whisker {
	if !i.Low.Known() || !i.High.Known() || !i.Value.Known() {
		return nil
	}
	low, high := 100*float64(i.Low), 100*float64(i.High)
	return &Whisker{X: short(low), W: short(max(high-low, 0.5)), At: short(min(max(100*float64(i.Value)-0.75, 0), 98.5))}
}

// HeatTable is a matrix of counts by two labels.
type HeatTable struct {
	ID, Title, Down, Across string
	Labels                  []string // of rows and columns
	Others                  int
	Rows                    []HeatRow
	Of                      int
}

// HeatRow is one line of a HeatTable.
type HeatRow struct {
	Label  string
	Others bool
	Sum    int
	Cells  []HeatCell
}

// HeatCell is one number. Level is from 0 to 9, by the root of its share of the line, so that
// small shares can be seen.
type HeatCell struct {
	Images, Level int
	Same          bool
	Share         float64
}

// levels is how many shades a HeatTable has.
const levels = 9

func newHeat(id, title, down, across string, m evaluate.Matrix) HeatTable {
	t := HeatTable{ID: id, Title: title, Down: down, Across: across, Labels: m.Labels, Others: m.Others}
	for i, counts := range m.Counts {
		r := HeatRow{Others: i >= len(m.Labels)}
		if !r.Others {
			r.Label = m.Labels[i]
		}
		for _, n := range counts {
			r.Sum += n
		}
		for j, n := range counts {
			share := share(n, r.Sum)
			r.Cells = append(r.Cells, HeatCell{Images: n, Level: int(math.Ceil(math.Sqrt(share) * levels)), Same: i == j && !r.Others, Share: share})
		}
		t.Of += r.Sum
		t.Rows = append(t.Rows, r)
	}
	return t
}

// Confused are the cells off the diagonal with most images.
func (p *Page) Confused() []evaluate.Cell {
	var all []evaluate.Cell
	for _, c := range p.Truth.Confusion.Cells {
		if c.Truth != c.Predicted && len(all) < 20 {
			all = append(all, c)
		}
	}
	return all
}

// Reliability is a drawing of how often answers are right, by their score: a square of 300 with
// the origin at the bottom left.
type Reliability struct {
	Bins []ReliabilityBin
	Most int // images of the largest bin
}

// ReliabilityBin is one point with its interval, and the images at it as a bar.
type ReliabilityBin struct {
	evaluate.Bin
	X, Y, Low, High, BarX, BarY, BarW, BarH string
	Gap                                     evaluate.Value // how much surer than right
}

const square = 300

// NewReliability returns the drawing of a calibration.
func reliability(c evaluate.Calibration) Reliability {
	r := Reliability{}
	for _, b := range c.Bins {
		r.Most = max(r.Most, b.Images)
	}
	for _, b := range c.Bins {
		if b.Images == 0 || !b.Accuracy.Value.Known() || !b.MeanScore.Known() {
			continue
		}
		y := func(v evaluate.Value) string { return short(square - square*float64(v)) }
		height := 60 * float64(b.Images) / float64(r.Most)
		r.Bins = append(r.Bins, ReliabilityBin{Bin: b, X: short(square * min(max(float64(b.MeanScore), 0), 1)), Y: y(b.Accuracy.Value), Low: y(b.Accuracy.Low),
			High: y(b.Accuracy.High), BarX: short(square*b.From + 1), BarW: short(square*(b.To-b.From) - 2), BarY: short(square - height), BarH: short(height),
			Gap: b.MeanScore - b.Accuracy.Value})
	}
	return r
}

// Ticks are the numbers of the axes of a Reliability.
func (Reliability) Ticks() []Tick {
	var all []Tick
	for i := range 6 {
		at := float64(i) / 5
		all = append(all, Tick{Text: fmt.Sprintf("%.1f", at), X: short(square * at), Y: short(square - square*at)})
	}
	return all
}

// Tick is a number at an axis.
type Tick struct{ Text, X, Y string }

// ScoreBars draws two distributions of scores, as shares of each: here and there.
type ScoreBars struct {
	Here, There string
	Peak        float64
	Rows        []ScoreShare
}

// ScoreShare is one bin of ScoreBars.
type ScoreShare struct {
	evaluate.ScoreBin
	HereShare, ThereShare float64
}

func scoreBars(d *evaluate.Drift) ScoreBars {
	here, there := 0, 0
	for _, b := range d.Scores {
		here, there = here+b.Here, there+b.There
	}
	s := ScoreBars{}
	for _, b := range d.Scores {
		one := ScoreShare{ScoreBin: b, HereShare: share(b.Here, here), ThereShare: share(b.There, there)}
		s.Rows, s.Peak = append(s.Rows, one), max(s.Peak, one.HereShare, one.ThereShare)
	}
	var h, o outline
	for i, r := range s.Rows {
		if r.HereShare > 0 {
			height := max(r.HereShare/s.Peak*barHeight, 1.5)
			h.box(float64(i)+0.06, barHeight-height, 0.44, height)
		}
		if r.ThereShare > 0 {
			height := max(r.ThereShare/s.Peak*barHeight, 1.5)
			o.box(float64(i)+0.5, barHeight-height, 0.44, height)
		}
	}
	s.Here, s.There = h.String(), o.String()
	return s
}

// LabelChange is a label with its shares in both outputs.
type LabelChange struct {
	evaluate.LabelDrift
	Change         evaluate.Value
	HereW, ThereW  string
	New, Gone, End bool // End: the line is folded at first
}

// LabelChanges are the labels of both outputs.
func (p *Page) LabelChanges() []LabelChange {
	var all []LabelChange
	for i, l := range p.Against.Labels {
		if i == mostLines {
			break
		}
		all = append(all, LabelChange{LabelDrift: l, Change: evaluate.Value(known(l.HereShare) - known(l.ThereShare)), HereW: short(100 * known(l.HereShare)),
			ThereW: short(100 * known(l.ThereShare)), New: l.There == 0 && l.Here > 0, Gone: l.Here == 0 && l.There > 0, End: i >= listed})
	}
	return all
}

// mostLines is how many lines a table has at most.
const mostLines = 1000

// known returns a value, 0 if it does not exist.
func known(v evaluate.Value) float64 {
	if !v.Known() {
		return 0
	}
	return float64(v)
}

// points writes a change of a share in percentage points.
func points(v evaluate.Value) string {
	if !v.Known() {
		return "–"
	}
	f := math.Round(1e4*float64(v)) / 100
	switch {
	case f > 0:
		return fmt.Sprintf("+%.2f", f)
	case f < 0:
		return fmt.Sprintf("−%.2f", -f)
	}
	return "0.00"
}

// psi says in words how much a population stability index is, and whether chance alone makes
// one as large.
func psi(d evaluate.Distance) string {
	switch {
	case !d.PSI.Known():
		return "not known"
	case d.PSI < 0.1:
		return "little change"
	case d.Noise.Known() && !d.Told():
		return "may be chance, which makes up to " + value(d.Noise) + " of so few images"
	case d.PSI < 0.2:
		return "some change"
	}
	return "much change"
}
