package evaluate

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
	"testing"
)

// The values that testdata/reference.py computes with other libraries. None is null.
type (
	referenceTruth struct {
		Judged        int
		Accuracy      [3]Value
		Coverage      [3]Value
		AccuracyOfAll [3]Value `json:"accuracy_of_all"`
		TopK          map[int]Value
		Classes       map[int]struct {
			Truth           int
			Precision       Value
			Recall          Value
			F1              Value
			PrecisionBounds [2]Value `json:"precision_bounds"`
			RecallBounds    [2]Value `json:"recall_bounds"`
			Thresholds      []*[4]Value
		}
		Macro, Weighted, Micro [3]Value
		Confusion              [][]int
		Bins                   [][2]Value // mean score and accuracy of those that are not empty
		ECE, MCE, Brier        Value
		Thresholds             []*[4]Value
	}
	referenceDrift struct {
		Compared, Same  int
		Moves           [][]int
		Labels          []int
		FlipShare       [3]Value `json:"flip_share"`
		Label, Score    [3]Value // PSI, JS, distance
		Scores          [2][]int
		MeanScoreChange Value `json:"mean_score_change"`
		MeanScoreMoved  Value `json:"mean_score_moved"`
	}
)

// columnsOfTruth are rows: the truth, -1 if it is not known, the classes of the answer and the
// best score.
type columnsOfTruth struct {
	Is     []int
	Ranked [][]int
	Score  []float32
}

// columnsOfOutput are answers: a class, -1 if there is no row, and a score.
type columnsOfOutput struct {
	Class []int
	Score []float32
}

func (c *columnsOfOutput) answer(i int) Answer {
	if c.Class[i] < 0 {
		return Answer{}
	}
	return Answer{Status: OK, Label: strconv.Itoa(c.Class[i]), Score: c.Score[i]}
}

// references returns the kept rows and values.
func references(t *testing.T) (r struct {
	Truth map[string]struct {
		Rows    columnsOfTruth
		Figures referenceTruth
	}
	Drift map[string]struct {
		Rows    struct{ Here, There columnsOfOutput }
		Figures referenceDrift
	}
}) {
	t.Helper()
	f, err := os.Open("testdata/reference.json.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.NewDecoder(z).Decode(&r); err != nil {
		t.Fatal(err)
	}
	if len(r.Truth) < 15 || len(r.Drift) < 10 {
		t.Fatalf("only %d results and %d pairs of outputs", len(r.Truth), len(r.Drift))
	}
	return r
}

// comparer compares figures with their values.
type comparer struct{ *testing.T }

// same compares figures. What does not exist is not 0.
func (t comparer) same(what string, got, want []Value) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: %v, want %v", what, got, want)
		return
	}
	for i := range got {
		if got[i].Known() != want[i].Known() || got[i].Known() && math.Abs(float64(got[i]-want[i])) > 1e-9*max(1, math.Abs(float64(want[i]))) {
			t.Errorf("%s: %v, want %v", what, got, want)
			return
		}
	}
}

func (t comparer) interval(what string, got Interval, want [3]Value) {
	t.Helper()
	t.same(what, []Value{got.Value, got.Low, got.High}, want[:])
}

// thresholds compares with thresholds that least or more answers reach, of which the third figure is
// the number.
func (t comparer) thresholds(what string, least Value, got []Threshold, want []*[4]Value) {
	t.Helper()
	for i, w := range want {
		g := got[i]
		if w != nil && w[2] < least {
			w = nil // no higher score has more answers
		}
		what := fmt.Sprintf("%s: threshold for %v", what, g.Wanted)
		switch {
		case g.Reached != (w != nil):
			t.Errorf("%s: %+v, want %v", what, g, w)
		case g.Reached:
			t.same(what, []Value{Value(g.Score), g.Precision.Value, Value(g.Remain), Value(g.Share)}, w[:])
		}
	}
}

// TestTruthReference compares with scikit-learn, statsmodels and netcal.
func TestTruthReference(t *testing.T) {
	t.Parallel()
	for name, test := range references(t).Truth {
		t.Run(name, func(t *testing.T) {
			var truth Truth
			for i, is := range test.Rows.Is {
				var labels []string
				if is >= 0 {
					labels = []string{strconv.Itoa(is)}
				}
				var ranked []Scored
				for place, class := range test.Rows.Ranked[i] {
					ranked = append(ranked, Scored{strconv.Itoa(class), test.Rows.Score[i] / float32(place+1)})
				}
				truth.Add(labels, ranked)
			}
			compareTruth(comparer{t}, truth.Result(), &test.Figures)
		})
	}
}

func compareTruth(t comparer, got *Result, want *referenceTruth) {
	if got.Judged != want.Judged {
		t.Errorf("%d judged, want %d", got.Judged, want.Judged)
	}
	t.interval("accuracy", got.Accuracy, want.Accuracy)
	t.interval("coverage", got.Coverage, want.Coverage)
	t.interval("accuracy of all", got.AccuracyOfAll, want.AccuracyOfAll)
	if len(got.TopK) != len(want.TopK) {
		t.Errorf("top k: %+v, want %v", got.TopK, want.TopK)
	}
	for _, k := range got.TopK {
		t.same(fmt.Sprintf("top %d", k.K), []Value{k.Accuracy.Value}, []Value{want.TopK[k.K]})
	}
	for what, pair := range map[string][2][]Value{
		"macro":              {{got.Macro.Precision, got.Macro.Recall, got.Macro.F1}, want.Macro[:]},
		"weighted":           {{got.Weighted.Precision, got.Weighted.Recall, got.Weighted.F1}, want.Weighted[:]},
		"micro":              {{got.Micro.Precision, got.Micro.Recall, got.Micro.F1}, want.Micro[:]},
		"ECE, MCE and Brier": {{got.Calibration.ECE, got.Calibration.MCE, got.Calibration.Brier}, {want.ECE, want.MCE, want.Brier}},
	} {
		t.same(what, pair[0], pair[1])
	}
	var labels []string // in the order of their numbers, as the confusion has them
	for _, c := range got.Classes {
		n, err := strconv.Atoi(c.Label)
		if err != nil {
			t.Fatal(err)
		}
		w, ok := want.Classes[n]
		if !ok && c.Truth+c.Predicted == 0 {
			continue // all of its images failed
		}
		labels = append(labels, c.Label)
		if !ok || c.Truth != w.Truth {
			t.Errorf("class %s: %d in truth, want %d", c.Label, c.Truth, w.Truth)
		}
		t.interval("precision of "+c.Label, c.Precision, [3]Value{w.Precision, w.PrecisionBounds[0], w.PrecisionBounds[1]})
		t.interval("recall of "+c.Label, c.Recall, [3]Value{w.Recall, w.RecallBounds[0], w.RecallBounds[1]})
		t.same("F1 of "+c.Label, []Value{c.F1}, []Value{w.F1})
		t.thresholds(c.Label, LeastAbove, c.Thresholds, w.Thresholds)
	}
	if len(labels) != len(want.Classes) {
		t.Errorf("%d classes, want %d", len(labels), len(want.Classes))
	}
	slices.SortFunc(labels, byNumber)
	t.cells(got.Confusion.Cells, labels, want.Confusion)
	t.thresholds("all", 1, got.Thresholds, want.Thresholds)
	var bins [][2]Value
	for _, b := range got.Calibration.Bins {
		if b.Images > 0 {
			bins = append(bins, [2]Value{b.MeanScore, b.Accuracy.Value})
		}
	}
	if len(bins) != len(want.Bins) {
		t.Fatalf("%d bins, want %d", len(bins), len(want.Bins))
	}
	for i := range bins {
		t.same("bin", bins[i][:], want.Bins[i][:])
	}
}

func byNumber(a, b string) int {
	x, _ := strconv.Atoi(a)
	y, _ := strconv.Atoi(b)
	return x - y
}

// cells compares cells with a matrix of all labels.
func (t comparer) cells(got []Cell, labels []string, want [][]int) {
	t.Helper()
	counts := make([][]int, len(labels))
	for i := range counts {
		counts[i] = make([]int, len(labels))
	}
	for _, c := range got {
		counts[slices.Index(labels, c.Truth)][slices.Index(labels, c.Predicted)] += c.Images
	}
	if !slices.EqualFunc(counts, want, slices.Equal[[]int]) {
		t.Errorf("the confusion is %v, want %v", counts, want)
	}
}

// TestDriftReference compares with evidently, scipy and statsmodels.
func TestDriftReference(t *testing.T) {
	t.Parallel()
	for name, test := range references(t).Drift {
		t.Run(name, func(t *testing.T) {
			var c Comparison
			for i := range test.Rows.Here.Class {
				c.Add(test.Rows.Here.answer(i), test.Rows.There.answer(i))
			}
			compareDrift(comparer{t}, c.Drift(), &test.Figures)
		})
	}
}

func compareDrift(t comparer, got *Drift, want *referenceDrift) {
	if got.Compared != want.Compared || got.Same != want.Same {
		t.Errorf("%d compared, %d the same, want %d and %d", got.Compared, got.Same, want.Compared, want.Same)
	}
	t.interval("flips", got.FlipShare, want.FlipShare)
	t.same("labels", []Value{got.Label.PSI, got.Label.JS, got.Label.JSDistance}, want.Label[:])
	t.same("scores", []Value{got.Score.PSI, got.Score.JS, got.Score.JSDistance}, want.Score[:])
	t.same("means", []Value{got.MeanScoreChange, got.MeanScoreMoved}, []Value{want.MeanScoreChange, want.MeanScoreMoved})
	for i, b := range got.Scores {
		if b.Here != want.Scores[0][i] || b.There != want.Scores[1][i] {
			t.Errorf("scores %+v, want %d and %d", b, want.Scores[0][i], want.Scores[1][i])
		}
	}
	var labels []string
	var cells []Cell
	for i, l := range want.Labels {
		labels = append(labels, strconv.Itoa(l))
		if same := want.Moves[i][i]; same > 0 {
			cells = append(cells, Cell{labels[i], labels[i], same})
		}
	}
	for _, f := range got.Flips {
		cells = append(cells, Cell{f.From, f.To, f.Images})
	}
	t.cells(cells, labels, want.Moves)
}
