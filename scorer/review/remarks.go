package review

import (
	"fmt"
	"slices"
	"strings"

	"github.com/batchscore/batchscore/deploy/shellquote"
	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/row"
)

// Levels of remarks.
const (
	Bad  = "bad"
	Look = "look"
	Good = "good"
)

const (
	// manyFailed is the share of failed images from which on they are a bad sign: the default of
	// run --max-errors.
	manyFailed = 0.1
	// doubtfulMargin is the margin below which an answer is a toss-up, and manyDoubtful the share
	// of such answers that deserves a look.
	doubtfulMargin = 0.1
	manyDoubtful   = 0.05
	// dominant is the share of one label that deserves a look where the model has several.
	dominant = 0.95
	// overconfident is how far the mean score may be from the accuracy, if it is outside of its interval.
	overconfident = 0.1
)

func (f *Findings) remark(level, where, format string, args ...any) *Remark {
	f.Remarks = append(f.Remarks, Remark{Level: level, Where: where, Text: fmt.Sprintf(format, args...)})
	return &f.Remarks[len(f.Remarks)-1]
}

// command returns a command of batchscore on the output.
func (f *Findings) command(name, flags string) string {
	return strings.TrimSpace("batchscore " + name + " " + shellquote.Path(f.Output) + " " + flags)
}

// Conclude sets the remarks, from everything else in the Findings.
func (f *Findings) Conclude() {
	f.Remarks = nil
	f.doubts()
	f.failures()
	f.answers()
	f.judged()
	f.compared()
	order := []string{Bad, Look, Good}
	slices.SortStableFunc(f.Remarks, func(a, b Remark) int { return slices.Index(order, a.Level) - slices.Index(order, b.Level) })
}

// doubts are reasons to trust the rows less, or more.
func (f *Findings) doubts() {
	if f.Job.Simulated {
		f.remark(Bad, "provenance", "The device was simulated: no model looked at the images. Labels and scores mean nothing.")
	}
	switch {
	case f.Complete:
	case f.Missing < 0:
		f.remark(Bad, "", "The images are still being listed: there is no row yet.")
	case f.Missing > 0:
		f.remark(Bad, "", "The job is not complete: %s have no row yet.", countOf(f.Missing, "image")).Command = f.command("jobs status", "")
	default:
		f.remark(Bad, "", "Every image has a row, but the job has not finished: there is no %s.", output.SuccessName).
			Command = f.command("jobs status", "")
	}
	switch v := f.Verified; {
	case v == nil:
	case v.OK && f.Complete:
		f.remark(Good, "provenance", "Verified: each image of the manifest has exactly one row, and all digests match.")
	case !v.OK:
		f.remark(Bad, "provenance", "verify found faults: the rows may be missing, altered or doubled.").Command = f.command("verify", "")
	}
	s := f.Job.Success
	if s == nil {
		return
	}
	if s.MixedDecoding {
		f.remark(Look, "provenance", "%s", output.MixedDecodingNote)
	}
	if s.DependentRows {
		f.remark(Look, "provenance", "%s", output.DependentRowsNote)
	}
	if note := output.MixedGPUsNote(s.GPUKinds); note != "" {
		f.remark(Look, "provenance", "%s", note)
	}
	if note := output.HalvedNote(s.LeastBatch); note != "" {
		f.remark(Look, "provenance", "%s", note)
	}
	if d := s.Drift; d != nil && (d.Added > 0 || d.Removed > 0 || d.Changed > 0) {
		f.remark(Look, "", "The collection changed while it was scored: %s.", d)
	}
}

// failures are the images without an answer.
func (f *Findings) failures() {
	if f.Images == 0 || f.Failed == 0 {
		if f.Images > 0 {
			f.remark(Good, "", "Every image that has a row has an answer.")
		}
		return
	}
	level := Look
	if float64(f.Failed) > manyFailed*float64(f.Images) {
		level = Bad
	}
	worst := row.Failures(f.Statuses)[0]
	f.remark(level, "status-"+worst, "%s of %s have no answer: %s.", thousands(f.Failed), countOf(f.Images, "image"), row.TallyFailures(f.Statuses)).
		Command = f.command("show", "--status failed")
}

// answers are about labels and scores as such.
func (f *Findings) answers() {
	if f.OK == 0 || f.Job.Simulated {
		return
	}
	if top := f.Labels[0]; top.Share >= dominant && f.OK >= 100 {
		f.remark(Look, "labels", "%s of the answers are %q. If the collection is not like that, the preprocessing or the labels are wrong.",
			percent(top.Share), top.Label)
	}
	if m := f.Margins; m != nil {
		doubtful := m.N - m.AtLeast(doubtfulMargin)
		if share := float64(doubtful) / float64(m.N); share >= manyDoubtful {
			f.remark(Look, "least-sure", "Of %s (%s) the two best labels are less than %g apart: a person should decide those.",
				countOf(doubtful, "image"), percent(share), doubtfulMargin).
				Command = f.command("show", fmt.Sprintf("--where 'margin<%g' --sort margin", doubtfulMargin))
		}
	}
	if s := f.Scores; s.Above+s.Below > 0 {
		f.remark(Look, "labels", "%s are not from 0 to 1, so they are no probabilities: the histograms leave them out.", countOf(s.Above+s.Below, "score"))
	}
}

// countOf returns a number and a noun, which takes an s unless the number is 1.
func countOf(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return thousands(n) + " " + noun + "s"
}

// thousands writes a number with commas.
func thousands(n int) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// percent writes a share with as many digits as mean something.
func percent(share float64) string {
	switch p := 100 * share; {
	case p == 0 || p >= 10 && p < 99.5 || p == 100:
		return fmt.Sprintf("%.0f%%", p)
	case p >= 99.5:
		return fmt.Sprintf("%.2f%%", min(p, 99.99))
	default:
		return fmt.Sprintf("%.2g%%", p)
	}
}
