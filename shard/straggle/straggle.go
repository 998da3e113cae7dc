// Package straggle has the rule by which a rank counts as a straggler.
package straggle

import (
	"math"
	"slices"
)

// Factor and Least are the rule: a rank straggles when its seconds an image are above the
// median of all ranks by more than Factor robust standard deviations (1.4826 times the median
// absolute deviation) and by more than the share Least of the median. 3.5 is the bound that
// Iglewicz and Hoaglin recommend for this score (How to Detect and Handle Outliers, 1993).
// Median and deviation hardly change as long as fewer than half the ranks straggle. The
// second bound keeps small differences between nearly equal ranks from counting.
const (
	Factor = 3.5
	Least  = 0.05
)

// Above returns the seconds an image above which a rank straggles, given those of all
// ranks; 0 for none.
func Above(secondsPerImage []float64) float64 {
	if len(secondsPerImage) == 0 {
		return 0
	}
	centre := median(secondsPerImage)
	deviations := make([]float64, len(secondsPerImage))
	for i, v := range secondsPerImage {
		deviations[i] = math.Abs(v - centre)
	}
	return centre + max(Factor*1.4826*median(deviations), Least*centre)
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}
