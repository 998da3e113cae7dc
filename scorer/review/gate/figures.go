package gate

import (
	"fmt"
	"strings"

	"github.com/batchscore/batchscore/scorer/telemetry/metrics"
)

// Kind says which values a figure has.
type Kind string

// The kinds.
const (
	// Count is a number of images or labels. Its limit is a whole number, or a percentage if
	// the figure has a whole.
	Count Kind = "count"
	// Share is from 0 to 1. Its limit is such a number, or a percentage.
	Share Kind = "share"
	// Number is 0 or more.
	Number Kind = "number"
)

// Need says what a figure is computed from, besides the output.
type Need string

// The needs.
const (
	Nothing Need = ""
	Truth   Need = "--truth"
	Other   Need = "--against"
)

// Figure is the definition of one figure.
type Figure struct {
	// Metric has its meaning, and what is in brackets after its name: a label, for example.
	Metric *metrics.Metric
	Kind   Kind
	// Whole is the figure of which a percentage is a share; empty if there is none.
	Whole string
	Needs Need
}

// Name returns the name in conditions.
func (f *Figure) Name() string { return strings.TrimPrefix(f.Metric.Name, "batchscore_report_") }

// Key returns what stands in brackets after the name; empty if nothing does.
func (f *Figure) Key() string {
	if len(f.Metric.Labels) == 0 {
		return ""
	}
	return f.Metric.Labels[0]
}

// Means returns what the figure is.
func (f *Figure) Means() string { return f.Metric.Help }

// figures are all figures, in the order in which they are shown.
var figures = []Figure{
	{Metric: metrics.ReportImages, Kind: Count},
	{Metric: metrics.ReportMissing, Kind: Count},
	{Metric: metrics.ReportOK, Kind: Count, Whole: "images"},
	{Metric: metrics.ReportFailed, Kind: Count, Whole: "images"},
	{Metric: metrics.ReportStatus, Kind: Count, Whole: "images"},
	{Metric: metrics.ReportLabels, Kind: Count},
	{Metric: metrics.ReportShare, Kind: Share},
	{Metric: metrics.ReportScore, Kind: Number},

	{Metric: metrics.ReportJudged, Kind: Count, Needs: Truth, Whole: "images"},
	{Metric: metrics.ReportCoverage, Kind: Share, Needs: Truth},
	{Metric: metrics.ReportAccuracy, Kind: Share, Needs: Truth},
	{Metric: metrics.ReportAccuracyLow, Kind: Share, Needs: Truth},
	{Metric: metrics.ReportAccuracyOfAll, Kind: Share, Needs: Truth},
	{Metric: metrics.ReportTop, Kind: Share, Needs: Truth},
	{Metric: metrics.ReportMistakes, Kind: Count, Needs: Truth, Whole: "judged"},
	{Metric: metrics.ReportPrecision, Kind: Share, Needs: Truth},
	{Metric: metrics.ReportRecall, Kind: Share, Needs: Truth},
	{Metric: metrics.ReportF1, Kind: Share, Needs: Truth},
	{Metric: metrics.ReportMacroP, Kind: Share, Needs: Truth},
	{Metric: metrics.ReportMacroR, Kind: Share, Needs: Truth},
	{Metric: metrics.ReportMacroF1, Kind: Share, Needs: Truth},
	{Metric: metrics.ReportWeightedF1, Kind: Share, Needs: Truth},
	{Metric: metrics.ReportECE, Kind: Number, Needs: Truth},
	{Metric: metrics.ReportMCE, Kind: Number, Needs: Truth},
	{Metric: metrics.ReportBrier, Kind: Number, Needs: Truth},

	{Metric: metrics.ReportCompared, Kind: Count, Needs: Other, Whole: "images"},
	{Metric: metrics.ReportFlips, Kind: Count, Needs: Other, Whole: "compared"},
	{Metric: metrics.ReportChanges, Kind: Count, Needs: Other, Whole: "images"},
	{Metric: metrics.ReportOnlyHere, Kind: Count, Needs: Other, Whole: "images"},
	{Metric: metrics.ReportOnlyThere, Kind: Count, Needs: Other},
	{Metric: metrics.ReportNew, Kind: Count, Needs: Other},
	{Metric: metrics.ReportVanished, Kind: Count, Needs: Other},
	{Metric: metrics.ReportDrift, Kind: Number, Needs: Other},
	{Metric: metrics.ReportPSI, Kind: Number, Needs: Other},
	{Metric: metrics.ReportPSIScores, Kind: Number, Needs: Other},
	{Metric: metrics.ReportPSINoise, Kind: Number, Needs: Other},
	{Metric: metrics.ReportPSISNoise, Kind: Number, Needs: Other},
	{Metric: metrics.ReportJS, Kind: Share, Needs: Other},
	{Metric: metrics.ReportJSScores, Kind: Share, Needs: Other},
}

// All returns the definitions of all figures, in the order in which they are shown.
func All() []*Figure {
	all := make([]*Figure, len(figures))
	for i := range figures {
		all[i] = &figures[i]
	}
	return all
}

// find returns the figure of a name; nil if there is none.
func find(name string) *Figure {
	for i := range figures {
		if figures[i].Name() == name {
			return &figures[i]
		}
	}
	return nil
}

// spelled returns the name with what stands in brackets after it.
func (f *Figure) spelled() string {
	if key := f.Key(); key != "" {
		return f.Name() + "[" + strings.ToUpper(key) + "]"
	}
	return f.Name()
}

// Values says which limits a condition on the figure may have.
func (f *Figure) Values() string {
	switch {
	case f.Kind == Share:
		return "0 to 1, or a percentage"
	case f.Kind == Number:
		return "a number"
	case f.Whole != "":
		return "a whole number, or a percentage of " + f.Whole
	}
	return "a whole number"
}

// List returns all figures with their meaning, a line each.
func List() string {
	var b strings.Builder
	for _, f := range All() {
		needs := ""
		if f.Needs != Nothing {
			needs = " Needs " + string(f.Needs) + "."
		}
		fmt.Fprintf(&b, "  %-17s  %s%s\n", f.spelled(), f.Means(), needs)
	}
	return b.String()
}
