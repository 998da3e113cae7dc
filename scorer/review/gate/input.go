package gate

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/batchscore/batchscore/scorer/review/evaluate"
	"github.com/batchscore/batchscore/scorer/row"
)

// Input is what figures are made from.
type Input struct {
	Images, OK, Failed int
	Missing            int // -1 if it is not known
	Statuses           map[string]int
	// Labels has those of the answers, and with 0 further ones that the model is known to have.
	// The share of a label that is neither there nor in Truth or Other is an error, so that a
	// wrong name is seen. OtherLabels is how many labels of answers are not in it.
	Labels      map[string]int
	OtherLabels int
	// MeanScore is that of the answers; NaN if there is none.
	MeanScore float64
	Truth     *evaluate.Result // nil without a truth
	Other     *evaluate.Drift  // nil without another output
}

// Values are figures by name, such as accuracy and recall[Sexy]. A figure that does not exist is
// not among them, so that they encode as JSON.
type Values = map[string]float64

// MostLabels is how many labels have figures of their own: those of most images.
const MostLabels = 1000

// Figures returns the figures of a result. Of labels beyond MostLabels, it returns those that
// conditions name.
func Figures(in *Input, conditions Conditions) Values {
	v := values{}
	v.count("images", in.Images)
	v.count("ok", in.OK)
	v.count("failed", in.Failed)
	if in.Missing >= 0 {
		v.count("missing", in.Missing)
	}
	for _, status := range append(row.FailureStatuses(), row.StatusOK) {
		v.count(keyed("status", status), 0)
	}
	for status, n := range in.Statuses {
		v.count(keyed("status", status), n)
	}
	v.labels(in, conditions)
	v.set("mean_score", in.MeanScore)
	if in.Truth != nil {
		v.truth(in.Truth, conditions)
	}
	if in.Other != nil {
		v.other(in.Other)
	}
	return Values(v)
}

// keyed returns the name of a figure with what stands in brackets.
func keyed(name, key string) string { return name + "[" + key + "]" }

// values collects figures.
type values Values

// set sets a figure, if it exists.
func (v values) set(name string, value float64) {
	if !math.IsNaN(value) && !math.IsInf(value, 0) {
		v[name] = value
	}
}

func (v values) count(name string, n int) { v[name] = float64(n) }

func (v values) labels(in *Input, conditions Conditions) {
	different := in.OtherLabels
	share := func(label string, n int) {
		if in.OK > 0 {
			v.set(keyed("share", label), float64(n)/float64(in.OK))
		}
	}
	// A label of conditions that no image has now is known from the truth or the other output.
	if in.Truth != nil {
		for i := range in.Truth.Classes {
			if c := &in.Truth.Classes[i]; c.Predicted == 0 && in.OtherLabels == 0 && conditions.name(c.Label) {
				share(c.Label, 0)
			}
		}
	}
	if in.Other != nil {
		for i := range in.Other.Labels {
			if l := &in.Other.Labels[i]; conditions.name(l.Label) {
				share(l.Label, l.Here)
			}
		}
	}
	for i, label := range slices.SortedFunc(maps.Keys(in.Labels), func(a, b string) int {
		return cmp.Or(in.Labels[b]-in.Labels[a], strings.Compare(a, b))
	}) {
		if in.Labels[label] > 0 {
			different++
		}
		if i < MostLabels || conditions.name(label) {
			share(label, in.Labels[label])
		}
	}
	v.count("labels", different)
}

func (v values) truth(r *evaluate.Result, conditions Conditions) {
	v.count("judged", r.Judged)
	v.count("mistakes", r.Judged-r.Accuracy.Count)
	for name, value := range map[string]evaluate.Value{
		"coverage": r.Coverage.Value, "accuracy": r.Accuracy.Value, "accuracy_low": r.Accuracy.Low, "accuracy_of_all": r.AccuracyOfAll.Value,
		"macro_precision": r.Macro.Precision, "macro_recall": r.Macro.Recall, "macro_f1": r.Macro.F1, "weighted_f1": r.Weighted.F1,
		"ece": r.Calibration.ECE, "mce": r.Calibration.MCE, "brier": r.Calibration.Brier,
	} {
		v.set(name, float64(value))
	}
	for _, k := range r.TopK {
		v.set(keyed("top", strconv.Itoa(k.K)), float64(k.Accuracy.Value))
	}
	for i := range r.Classes {
		c := &r.Classes[i]
		if i >= MostLabels && !conditions.name(c.Label) {
			continue
		}
		v.set(keyed("precision", c.Label), float64(c.Precision.Value))
		v.set(keyed("recall", c.Label), float64(c.Recall.Value))
		v.set(keyed("f1", c.Label), float64(c.F1))
	}
}

func (v values) other(d *evaluate.Drift) {
	changes := 0
	for _, c := range d.StatusChanges {
		changes += c.Images
	}
	for name, n := range map[string]int{
		"compared": d.Compared, "flips": d.Flipped, "status_changes": changes, "only_here": d.OnlyHere, "only_there": d.OnlyThere,
		"new_labels": len(d.New), "vanished_labels": len(d.Vanished),
	} {
		v.count(name, n)
	}
	for name, value := range map[string]evaluate.Value{
		"psi": d.Label.PSI, "psi_scores": d.Score.PSI, "js": d.Label.JS, "js_scores": d.Score.JS,
		"psi_noise": d.Label.Noise, "psi_scores_noise": d.Score.Noise,
		"drift": max(d.Label.PSI, d.Score.PSI), // NaN if either is
	} {
		v.set(name, float64(value))
	}
}
