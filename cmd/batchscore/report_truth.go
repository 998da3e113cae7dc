package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/batchscore/batchscore/scorer/review"
	"github.com/batchscore/batchscore/scorer/review/evaluate"
	"github.com/batchscore/batchscore/scorer/review/truth"
	"github.com/batchscore/batchscore/scorer/telemetry/printable"
)

// describeTruth says where a truth is from, what of it met no image, and which of its labels may be
// misspelled.
func describeTruth(found *review.Findings, known *truth.Set) {
	t := found.Truth
	t.From = known.String()
	t.Unmatched, t.Examples = known.Unmatched()
	t.OfModel = known.Matches().OfModel
	answers := slices.Clone(found.UnusedLabels)
	for i := range t.Classes {
		if c := &t.Classes[i]; c.Predicted > 0 {
			answers = append(answers, c.Label)
		}
	}
	for _, c := range mostTruth(t.Classes) {
		if len(t.Misspelled) == review.MostMisspelled {
			break
		}
		if c.Predicted > 0 || slices.Contains(answers, c.Label) {
			continue
		}
		if near := nearest(c.Label, answers); len(near) > 0 {
			t.Misspelled = append(t.Misspelled, review.Misspelled{Label: c.Label, Images: c.Truth, Near: near[0]})
		}
	}
}

// mostTruth returns the classes that the truth has, that of most images first.
func mostTruth(classes []evaluate.ClassResult) []evaluate.ClassResult {
	all := slices.DeleteFunc(slices.Clone(classes), func(c evaluate.ClassResult) bool { return c.Truth == 0 })
	slices.SortStableFunc(all, func(a, b evaluate.ClassResult) int { return cmp.Compare(b.Truth, a.Truth) })
	return all
}

// sayJudgement says how the truth met the images and how often labels are right, and warns of labels
// that answers do not have.
func (f *reportFlags) sayJudgement(stdout, stderr io.Writer, found *review.Findings, known *truth.Set) error {
	t := found.Truth
	if known == nil || t == nil {
		return nil
	}
	if !f.json && f.file != "-" {
		text := ""
		if m := known.Matches(); m.Names > 0 {
			text = fmt.Sprintf("%d of %d names matched; ", m.Matched(), m.Names)
		}
		if t.OfModel > 0 {
			text += fmt.Sprintf("%d more left out, because their labels are the model's and nobody changed them; ", t.OfModel)
		}
		text += fmt.Sprintf("%s judged", images(t.Judged))
		if t.Judged > 0 {
			text += fmt.Sprintf(": the accuracy is %.1f%%, between %.1f%% and %.1f%% with a confidence of 95%%",
				100*float64(t.Accuracy.Value), 100*float64(t.Accuracy.Low), 100*float64(t.Accuracy.High))
		}
		if err := sayLine(stdout, "--truth: "+text); err != nil {
			return err
		}
	}
	shared, all := 0, mostTruth(t.Classes)
	for _, c := range all {
		if c.Predicted > 0 {
			shared++
		}
	}
	warn := ""
	switch {
	case len(all) == 0:
	case shared == 0:
		warn = fmt.Sprintf("none of its labels is one that answers have: %s", shownLabel(all[0].Label))
	case 2*shared < len(all):
		warn = fmt.Sprintf("only %d of its %d labels are among those of the answers", shared, len(all))
	}
	for _, m := range t.Misspelled {
		if warn != "" {
			warn += "; "
		}
		warn += fmt.Sprintf("no answer is %s; did you mean %s?", shownLabel(m.Label), shownLabel(m.Near))
	}
	if warn == "" {
		return nil
	}
	_, err := printf(stderr, "batchscore: --truth: %s\n", warn)
	return err
}

// shownLabel returns a label in quotation marks, as one line.
func shownLabel(label string) string { return strconv.Quote(printable.Line(label)) }
