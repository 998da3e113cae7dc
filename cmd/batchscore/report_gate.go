package main

import (
	"errors"
	"fmt"
	"io"
	"math"
	"strings"

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

// judge returns errBroken if a condition of --fail-on holds, and says the conditions if none does.
func (f *reportFlags) judge(stdout io.Writer, found *review.Findings) error {
	broken, err := f.conditions.Judge(found.Figures)
	if err != nil {
		return usagef("--fail-on: %w", err)
	}
	if len(broken) > 0 {
		var all []string
		for _, b := range broken {
			all = append(all, b.Text)
		}
		return marked{fmt.Errorf("%s: --fail-on: %s", found.Output, strings.Join(all, "; ")), errBroken}
	}
	if f.json || f.file == "-" || len(f.conditions) == 0 {
		return nil
	}
	var all []string
	for _, c := range f.conditions {
		all = append(all, c.Is(found.Figures))
	}
	return sayLine(stdout, found.Output+" is good enough: "+strings.Join(all, ", "))
}

// writeMetrics writes the figures for Prometheus, if that was asked for.
func (f *reportFlags) writeMetrics(found *review.Findings) error {
	if f.metricsFile == "" {
		return nil
	}
	if err := metrics.WriteFile(f.metricsFile, gate.Set(found.Output, found.Figures, redact).Gatherer()); err != nil {
		return config(fmt.Errorf("--metrics-file: %w", err))
	}
	return nil
}
