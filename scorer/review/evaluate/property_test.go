package evaluate

import (
	"encoding/json"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// sample is a row with its truth.
type sample struct {
	labels []string
	ranked []Scored
}

// samples draws rows with few labels and few different scores, so that ties are many.
func samples(t *rapid.T) []sample {
	label := rapid.SampledFrom([]string{"a", "b", "c", "", "\xff<script>", "d"})
	score := rapid.OneOf(rapid.SampledFrom([]float32{0, 0.5, 1, 1. / 15, 0.2, float32(math.NaN()), float32(math.Inf(1)), -0.1, 1.5}), rapid.Float32Range(0, 1))
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) sample {
		s := sample{labels: rapid.SliceOfN(label, 0, 2).Draw(t, "truth")}
		for _, l := range rapid.SliceOfNDistinct(label, 0, 4, rapid.ID[string]).Draw(t, "answer") {
			s.ranked = append(s.ranked, Scored{l, score.Draw(t, "score")})
		}
		return s
	}), 0, 40).Draw(t, "rows")
}

func (s sample) judged() bool { return len(s.labels) > 0 && len(s.ranked) > 0 }
func (s sample) right() bool  { return slices.Contains(s.labels, s.ranked[0].Label) }

// TestTruthProperties checks what holds for all rows, and thresholds against trying each score.
func TestTruthProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rows := samples(t)
		truth := Truth{Wanted: []float64{0.5, 0.9, 1}}
		for i, s := range rows {
			truth.Add(s.labels, s.ranked)
			if i == len(rows)/2 {
				truth.Result() // asking on the way changes nothing
			}
		}
		r := truth.Result()
		if r.Images != len(rows) || r.Images != r.NoTruth+r.NoAnswer+r.Judged {
			t.Fatalf("%d rows: %+v", len(rows), r)
		}
		var inTruth, predicted, correct, cells, bins int
		for _, c := range r.Classes {
			inTruth, predicted, correct = inTruth+c.Truth, predicted+c.Predicted, correct+c.Correct
			checkThresholds(t, LeastAbove, c.Thresholds, rows, func(s sample) bool { return s.ranked[0].Label == c.Label })
			checkInterval(t, c.Precision)
			checkInterval(t, c.Recall)
		}
		for _, c := range r.Confusion.Cells {
			cells += c.Images
		}
		for _, b := range r.Calibration.Bins {
			bins += b.Images
			if b.Images > 0 && r.Calibration.Outside == 0 && (float64(b.MeanScore) < b.From || float64(b.MeanScore) > b.To) {
				t.Fatalf("the mean %v is outside of its bin %v to %v", b.MeanScore, b.From, b.To)
			}
		}
		if inTruth != r.Judged || predicted != r.Judged || cells != r.Judged || correct != r.Accuracy.Count ||
			bins != r.Calibration.Images || bins+r.Calibration.NoScore != r.Judged {
			t.Fatalf("sums differ: %+v", r)
		}
		last := 0
		for _, k := range r.TopK {
			if k.Accuracy.Count < last || k.Accuracy.Of != r.Judged {
				t.Fatalf("the accuracy of %d best classes is below that of fewer: %+v", k.K, r.TopK)
			}
			last = k.Accuracy.Count
		}
		if len(r.TopK) > 0 && r.TopK[0].Accuracy != r.Accuracy {
			t.Fatalf("the best class alone: %+v, want the accuracy %+v", r.TopK[0], r.Accuracy)
		}
		checkThresholds(t, 1, r.Thresholds, rows, func(sample) bool { return true })
		checkJSON(t, r)
	})
}

// checkThresholds compares thresholds with what each score that there is gives.
func checkThresholds(t *rapid.T, least int, found []Threshold, rows []sample, of func(sample) bool) {
	t.Helper()
	var chosen []sample
	for _, s := range rows {
		if s.judged() && of(s) {
			chosen = append(chosen, s)
		}
	}
	for _, th := range found {
		best := Threshold{Wanted: th.Wanted, Score: float32(math.Inf(1))}
		for _, s := range chosen {
			right, rest := 0, 0
			for _, other := range chosen {
				if finite(other.ranked[0].Score) && other.ranked[0].Score >= s.ranked[0].Score {
					rest++
					if other.right() {
						right++
					}
				}
			}
			if finite(s.ranked[0].Score) && rest >= least && float64(right)/float64(rest) >= th.Wanted && s.ranked[0].Score < best.Score {
				best = Threshold{Wanted: th.Wanted, Reached: true, Score: s.ranked[0].Score, Remain: rest, Precision: Wilson(right, rest)}
			}
		}
		if th.Reached != best.Reached || th.Reached && (th.Score != best.Score || th.Remain != best.Remain || th.Precision != best.Precision) {
			t.Fatalf("threshold %+v, want %+v", th, best)
		}
		if th.Reached && th.Share != float64(th.Remain)/float64(len(chosen)) {
			t.Fatalf("threshold %+v of %d answers", th, len(chosen))
		}
	}
}

func checkInterval(t *rapid.T, i Interval) {
	t.Helper()
	if i.Of > 0 && (i.Low > i.Value || i.High < i.Value || i.Low < 0 || i.High > 1) {
		t.Fatalf("the share is not between its bounds: %+v", i)
	}
}

// checkJSON checks that a result can be encoded, without a null where a list belongs.
func checkJSON(t *rapid.T, v any) {
	t.Helper()
	if _, err := json.Marshal(v); err != nil {
		t.Fatal(err)
	}
}

// TestDriftProperties checks what holds for any two outputs.
func TestDriftProperties(t *testing.T) {
	answer := rapid.Custom(func(t *rapid.T) Answer {
		switch status := rapid.SampledFrom([]string{OK, OK, OK, "", "empty"}).Draw(t, "status"); status {
		case OK:
			return Answer{OK, rapid.SampledFrom([]string{"a", "b", "", "\xff"}).Draw(t, "label"), rapid.Float32Range(0, 1).Draw(t, "score")}
		default:
			return Answer{Status: status}
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		here, there := rapid.SliceOfN(answer, 0, 50).Draw(t, "here"), []Answer{}
		for range here {
			there = append(there, answer.Draw(t, "there"))
		}
		var forth, back, same Comparison
		for i := range here {
			forth.Add(here[i], there[i])
			back.Add(there[i], here[i])
			same.Add(here[i], here[i])
		}
		d, e, s := forth.Drift(), back.Drift(), same.Drift()
		if d.Here+d.OnlyThere != d.There+d.OnlyHere || d.Here != d.Both+d.OnlyHere || d.Compared != d.Same+d.Flipped {
			t.Fatalf("sums differ: %+v", d)
		}
		flipped, inLabels, inBins := 0, [2]int{}, [2]int{}
		for _, f := range d.Flips {
			flipped += f.Images
		}
		for _, l := range d.Labels {
			inLabels[0], inLabels[1] = inLabels[0]+l.Here, inLabels[1]+l.There
		}
		for _, b := range d.Scores {
			inBins[0], inBins[1] = inBins[0]+b.Here, inBins[1]+b.There
		}
		if flipped != d.Flipped || inLabels != inBins {
			t.Fatalf("%d flips, %v labels, %v scores: %+v", flipped, inLabels, inBins, d)
		}
		for i, pair := range [][2]Distance{{d.Label, e.Label}, {d.Score, e.Score}} {
			if pair[0].PSI.Known() && (!near(pair[0].PSI, pair[1].PSI) || !near(pair[0].JS, pair[1].JS) || pair[0].PSI < 0 || pair[0].JS < 0 || pair[0].JS > 1) {
				t.Fatalf("distance %d is %+v, and the other way %+v", i, pair[0], pair[1])
			}
		}
		if s.Label.PSI.Known() && s.Label != (Distance{Noise: s.Label.Noise}) || s.Flipped > 0 || len(s.New)+len(s.Vanished)+len(s.StatusChanges) > 0 {
			t.Fatalf("an output differs from itself: %+v", s)
		}
		if !slices.Equal(d.New, e.Vanished) {
			t.Fatalf("new labels %q, vanished the other way %q", d.New, e.Vanished)
		}
		checkJSON(t, d)
	})
}

// near reports whether two figures are the same, but for rounding.
func near(a, b Value) bool {
	return !a.Known() && !b.Known() || math.Abs(float64(a-b)) <= 1e-9*max(1, math.Abs(float64(b)))
}
