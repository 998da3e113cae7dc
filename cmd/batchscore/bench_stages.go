package main

import (
	"context"
	"fmt"
	"math"

	"github.com/batchscore/batchscore/bench/chart"
	"github.com/batchscore/batchscore/bench/compare"
	"github.com/batchscore/batchscore/bench/result"
)

// stages are the rates that bench run measures, with their names in its chart.
var stages = []struct{ unit, name string }{
	{unit: compare.Rate, name: "whole run"}, {unit: "session-images/s", name: "device alone"},
	{unit: "decode-images/s", name: "decoders alone"}, {unit: "cores-images/s", name: "cores"}, {unit: "fetch-images/s", name: "reading alone"},
}

// drawStages draws the rate of whole runs next to those of their stages, if --chart asks
// for it. Reading from a local disk is left out: it is so fast that no other bar would be
// seen.
func (f *benchFlags) drawStages(ctx context.Context, run result.Run) error {
	if f.chart == "" {
		return nil
	}
	r := result.Rows(run.Samples)[0]
	var bars []chart.Bar
	for _, s := range stages {
		if r.N(s.unit) == 0 || s.unit == "fetch-images/s" && r.Key("images") != "blobs" {
			continue
		}
		bar := chart.Bar{Name: s.name, Value: r.Summary[s.unit].Center, Lo: math.Inf(-1), Hi: math.Inf(1), Group: min(len(bars), 1)}
		if lo, hi, ok := r.Interval(s.unit); ok {
			bar.Lo, bar.Hi = lo, hi
		}
		bars = append(bars, bar)
	}
	title := r.Key("model") + " on " + r.Key("device")
	if r.Simulated {
		title += " (simulated)"
	}
	drawn, err := chart.Bars(title, compare.Rate, bars)
	if err != nil {
		return err
	}
	return writeChart(ctx, f.chart, drawn)
}

// advice says what else the figures of bench run show.
func advice(samples []result.Sample) []string {
	r := result.Rows(samples)[0]
	var notes []string
	if compare.Brief(r) {
		rate := r.Summary[compare.Rate].Center
		notes = append(notes, fmt.Sprintf("warning: a run of %d images took %.2g s, and starting and ending is a large part of that: take images for %d s or more",
			r.Iterations, float64(r.Iterations)/rate, compare.EnoughSeconds))
	}
	if of := r.Summary["of-limit"].Center; of > 1.05 {
		notes = append(notes, fmt.Sprintf("warning: of-limit is %.0f%%, so the stages were slower when they were measured alone: measure again, with a"+
			" larger --least and on an idle machine", 100*of))
	}
	if compare.Limits(r) == compare.BusyCores {
		notes = append(notes, "The run reached less than what its stages allow, but used the processor as well as they do: other programs keep the"+
			" cores busy. Measure again on an idle machine.")
	}
	return notes
}
