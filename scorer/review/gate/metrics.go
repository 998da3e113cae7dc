package gate

import (
	"maps"
	"slices"
	"strings"

	"github.com/batchscore/batchscore/scorer/telemetry/metrics"
	"github.com/batchscore/batchscore/scorer/telemetry/printable"
)

// Verdict says whether a result is good enough.
type Verdict int

// The verdicts.
const (
	NotJudged Verdict = iota // there are no conditions
	Passed
	NotPassed
)

// Set returns figures as metrics of a place, and the verdict if there is one, for
// [metrics.WriteFile]. clean takes what is secret out of texts; nil leaves all.
func Set(place string, figures Values, verdict Verdict, clean func(string) string) *metrics.Set {
	return &metrics.Set{
		Scope: metrics.OfReport, Labels: func() []string { return []string{place} }, Clean: clean,
		Sources: []metrics.Source{func(s metrics.Sink) {
			switch verdict {
			case NotJudged:
			case Passed:
				s.Value(metrics.ReportBroken, 0)
			case NotPassed:
				s.Value(metrics.ReportBroken, 1)
			}
			send(s, figures, clean)
		}},
	}
}

// send sends figures in the order of their names. Labels that look the same once they are printed
// have one metric, with the value of the first of them.
func send(s metrics.Sink, figures Values, clean func(string) string) {
	seen := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(figures)) {
		base, key, has := strings.Cut(name, "[")
		f := find(base)
		if f == nil || has != (f.Key() != "") {
			continue
		}
		if !has {
			s.Value(f.Metric, figures[name])
			continue
		}
		key = strings.TrimSuffix(key, "]")
		shown := key
		if clean != nil {
			shown = clean(key)
		}
		if shown = keyed(base, printable.Line(shown)); !seen[shown] {
			seen[shown] = true
			s.Value(f.Metric, figures[name], key)
		}
	}
}
