package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/telemetry"
)

// historyText says in words how the rate of a job changed, for screen readers and logs, and
// with bars also shows it.
func historyText(h *output.History, bars bool) string {
	text := fmt.Sprintf("%s to %s, in %d steps of %s", rateNumber(slices.Min(h.Rates)), telemetry.Rate(slices.Max(h.Rates)), len(h.Rates),
		telemetry.Duration(h.StepSeconds))
	if bars {
		text = sparkline(h.Rates) + "  " + text
	}
	return text
}

// rateNumber is telemetry.Rate without its unit.
func rateNumber(rate float64) string { return strings.TrimSuffix(telemetry.Rate(rate), " images/s") }

// sparkline returns a bar for each value, as high as its share of the greatest.
func sparkline(values []float64) string {
	bars := []rune("▁▂▃▄▅▆▇█")
	most := slices.Max(values)
	var b strings.Builder
	for _, v := range values {
		height := 0
		if most > 0 {
			height = min(int(v/most*float64(len(bars))), len(bars)-1)
		}
		b.WriteRune(bars[height])
	}
	return b.String()
}

// utf8Locale reports whether a locale of the environment has UTF-8, by the variables and the
// order of POSIX.
func utf8Locale(env func(string) string) bool {
	locale := strings.ToLower(cmp.Or(env("LC_ALL"), env("LC_CTYPE"), env("LANG")))
	return strings.Contains(locale, "utf-8") || strings.Contains(locale, "utf8")
}
