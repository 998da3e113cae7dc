package main

import (
	"errors"
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/review"
	"github.com/batchscore/batchscore/scorer/review/gate"
	"github.com/batchscore/batchscore/scorer/telemetry/metrics"
)

// errBroken means that a figure is not as --fail-on wants it.
var errBroken = errors.New("not good enough")

// checkGate reads --fail-on, before any row is read.
func (f *reportFlags) checkGate() (err error) {
	if f.gated {
		if f.conditions, err = gate.Parse(f.failOn); err == nil {
			err = f.conditions.Check(f.truth != "", f.against != "")
		}
	}
	if unknown := new(gate.UnknownError); errors.As(err, &unknown) {
		err = fmt.Errorf("%w%s; 'batchscore help figures' lists them", err, didYouMean(unknown.Name, unknown.Known()))
	}
	if err != nil {
		return usagef("--fail-on: %w", err)
	}
	return checkMetricsFile(f.metricsFile)
}

// addFigures computes the figures of a result.
func (f *reportFlags) addFigures(found *review.Findings) {
	in := gate.Input{Images: found.Images, OK: found.OK, Failed: found.Failed, Missing: found.Missing, Statuses: found.Statuses,
		Labels: map[string]int{}, OtherLabels: found.OtherLabels, MeanScore: math.NaN()}
	for _, l := range found.Labels {
		in.Labels[l.Label] = l.Images
	}
	for _, name := range found.UnusedLabels {
		in.Labels[name] = 0
	}
	if found.Scores != nil {
		in.MeanScore = found.Scores.Mean
	}
	if found.Truth != nil {
		in.Truth = found.Truth.Result
	}
	if found.Against != nil {
		in.Other = found.Against.Drift
	}
	found.Figures = gate.Figures(&in, f.conditions)
}

// judge returns an error unless the result is good enough for --fail-on: that of verify if rows
// are damaged, output.ErrIncomplete if some are missing, and errBroken if a condition holds.
func (f *reportFlags) judge(found *review.Findings) error {
	if !f.gated {
		return nil
	}
	broken, err := f.conditions.Judge(found.Figures)
	var all []string
	for _, b := range broken {
		all = append(all, b.Text)
	}
	holds := ""
	if len(all) > 0 {
		holds = "; besides: " + strings.Join(all, "; ")
	}
	switch whole := f.whole(found); {
	case whole != nil:
		return fmt.Errorf("--fail-on: %w%s", whole, holds)
	case err != nil:
		return usagef("--fail-on: %w", err)
	case len(all) > 0:
		return marked{fmt.Errorf("%s: --fail-on: %s", found.Output, strings.Join(all, "; ")), errBroken}
	}
	return nil
}

// whole returns an error if rows are damaged, or are missing and no condition is about that.
func (f *reportFlags) whole(found *review.Findings) error {
	switch {
	case f.damage != nil:
		return f.damage
	case found.Job.Success != nil && !found.Complete:
		return fmt.Errorf("%s: the content %w: %s says that there are %d rows, and there are %d; 'batchscore verify' says more",
			found.Output, output.ErrMismatch, output.SuccessName, found.Images+found.Missing, found.Images)
	case found.Complete || f.conditions.About("missing"):
		return nil
	}
	const consent = "finish the job, or say how many may be missing, as in 'missing>100'"
	switch {
	case found.Missing > 0:
		return fmt.Errorf("%w: %s: %d of %s have no row; %s", output.ErrIncomplete, found.Output, found.Missing,
			images(found.Images+found.Missing), consent)
	case found.Missing < 0:
		return fmt.Errorf("%w: %s: its images are still being listed; %s", output.ErrIncomplete, found.Output, consent)
	}
	return fmt.Errorf("%w: %s: there is no %s; %s", output.ErrIncomplete, found.Output, output.SuccessName, consent)
}

// sayPassed says that no condition of --fail-on holds, and what was not proven.
func (f *reportFlags) sayPassed(stdout, stderr io.Writer, found *review.Findings) error {
	if !f.gated {
		return nil
	}
	const unproven = "the rows were not proven, because of --no-verify"
	if f.json || f.file == "-" {
		if f.noVerify {
			fmt.Fprintln(stderr, found.Output+": "+unproven)
		}
		return nil
	}
	var all []string
	for _, c := range f.conditions {
		all = append(all, c.Is(found.Figures))
	}
	text := found.Output + " is good enough: " + strings.Join(all, ", ")
	if f.noVerify {
		text += "; " + unproven
	}
	return sayLine(stdout, text)
}

// writeMetrics writes the figures for Prometheus, if that was asked for, and with --fail-on
// whether the result is good enough.
func (f *reportFlags) writeMetrics(found *review.Findings, verdict error) error {
	if f.metricsFile == "" {
		return nil
	}
	judged := gate.NotJudged
	switch {
	case !f.gated:
	case verdict == nil:
		judged = gate.Passed
	default:
		judged = gate.NotPassed
	}
	if err := metrics.WriteFile(f.metricsFile, gate.Set(found.Output, found.Figures, judged, redact).Gatherer()); err != nil {
		return config(fmt.Errorf("--metrics-file: %w", err))
	}
	return nil
}
