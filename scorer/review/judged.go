package review

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/batchscore/batchscore/deploy/shellquote"
	"github.com/batchscore/batchscore/scorer/review/evaluate"
)

// judged are remarks on how the labels compare with the truth.
func (f *Findings) judged() {
	t := f.Truth
	if t == nil {
		return
	}
	if t.Judged == 0 {
		f.remark(Bad, "truth", "The truth says nothing about any image with an answer. Compare how it spells names with the names of the rows.")
		return
	}
	for _, m := range t.Misspelled {
		f.remark(Bad, "classes", "No answer is %q, which %s of the truth should be, so all of them count as wrong. Is %q meant?",
			m.Label, countOf(m.Images, "image"), m.Near)
	}
	if t.Accuracy.Count == 0 && !f.sharesLabels() {
		f.remark(Bad, "classes", "No label of the truth is one that the model gave. Are they spelled in the same way, and of this model?")
		return
	}
	if t.OfModel > 0 {
		f.remark(Look, "truth", "%s of the truth are those that the model gave and nobody changed: they were left out. If people looked at every image "+
			"and changed only what is wrong, the accuracy is too low; --truth-columns path,label takes all labels.", countOf(t.OfModel, "label"))
	}
	if t.Unmatched > 0 {
		f.remark(Look, "truth", "The truth names %s of which the output has no row, such as %s.", countOf(t.Unmatched, "image"), strings.Join(t.Examples, ", "))
	}
	f.remark(Look, "truth", "Of %s with a known label, %s are right: the accuracy is between %s and %s with a confidence of 95%%.",
		countOf(t.Judged, "image"), percent(float64(t.Accuracy.Value)), percent(float64(t.Accuracy.Low)), percent(float64(t.Accuracy.High)))
	worst := -1
	for i := range t.Classes {
		c := &t.Classes[i]
		if c.Truth < 20 || !c.F1.Known() {
			continue
		}
		if worst < 0 || c.F1 < t.Classes[worst].F1 {
			worst = i
		}
	}
	if worst >= 0 && len(t.Classes) > 1 {
		c := &t.Classes[worst]
		f.remark(Look, "classes", "The label that is told worst from others is %q: F1 %.2f, %s of its images are found.",
			c.Label, float64(c.F1), percent(float64(c.Recall.Value)))
	}
	mean := evaluate.Value(f.meanScore())
	outside := mean < t.Accuracy.Low || mean > t.Accuracy.High
	if gap := float64(mean - t.Accuracy.Value); f.Scores != nil && outside && math.Abs(gap) >= overconfident {
		word := "more"
		if gap < 0 {
			word = "less"
		}
		f.remark(Look, "reliability", "The model is %s sure than it is right: its mean score is %.2f, and %s of its answers are right "+
			"(%s to %s). Do not read scores as probabilities.", word, float64(mean), percent(float64(t.Accuracy.Value)),
			percent(float64(t.Accuracy.Low)), percent(float64(t.Accuracy.High)))
	}
}

// sharesLabels reports whether a label is both of the truth and of an answer.
func (f *Findings) sharesLabels() bool {
	return slices.ContainsFunc(f.Truth.Classes, func(c evaluate.ClassResult) bool { return c.Truth > 0 && c.Predicted > 0 })
}

// meanScore returns the mean score of the judged images; NaN without any.
func (f *Findings) meanScore() float64 {
	sum, n := 0.0, 0
	for _, b := range f.Truth.Calibration.Bins {
		if b.Images > 0 {
			sum += float64(b.MeanScore) * float64(b.Images)
			n += b.Images
		}
	}
	return sum / float64(n)
}

// muchDrift is the PSI from which on a distribution has changed much, by the usual rule of thumb.
const muchDrift = 0.2

// compared are remarks on how the output compares with another one.
func (f *Findings) compared() {
	a := f.Against
	if a == nil {
		return
	}
	if a.Both == 0 {
		f.remark(Bad, "against", "The two outputs have no image in common: only their distributions are compared.")
	}
	if a.Flipped > 0 {
		f.remark(Look, "flips", "%s of %s have another label than in %s.", thousands(a.Flipped), countOf(a.Compared, "image"), a.Output).
			Command = f.command("export", "--to csv --disagree "+shellquote.Path(a.Output)+" -o flips.csv")
	} else if a.Compared > 0 {
		f.remark(Good, "against", "No image has another label than in %s.", a.Output)
	}
	f.moved("shares of the labels", &a.Label)
	f.moved("scores", &a.Score)
	if len(a.New) > 0 {
		f.remark(Look, "drift", "New here: %s.", someOf(a.New))
	}
	if len(a.Vanished) > 0 {
		f.remark(Look, "drift", "No longer here: %s.", someOf(a.Vanished))
	}
}

// moved is a remark on a distribution that has changed much, or on too few images to tell that.
func (f *Findings) moved(what string, d *evaluate.Distance) {
	switch {
	case !d.PSI.Known() || d.PSI < muchDrift:
	case d.Told():
		f.remark(Look, "drift", "The %s have changed much: the population stability index is %.2f. By chance alone it would be below %.2f.",
			what, float64(d.PSI), float64(d.Noise))
	default:
		f.remark(Look, "drift", "Whether the %s have changed cannot be told from so few images: the population stability index is %.2f, "+
			"and up to %.2f may be chance.", what, float64(d.PSI), float64(d.Noise))
	}
}

// someOf lists the first few labels.
func someOf(labels []string) string {
	const most = 5
	text := strings.Join(labels[:min(len(labels), most)], ", ")
	if n := len(labels) - most; n > 0 {
		text += fmt.Sprintf(" and %d more", n)
	}
	return text
}
