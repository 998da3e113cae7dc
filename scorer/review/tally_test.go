package review

import (
	"encoding/json"
	"math"
	"testing"
)

// TestNotANumber: a score that is not a number, which only a foreign part has, breaks nothing.
func TestNotANumber(t *testing.T) {
	var h Histogram
	for _, v := range []float64{math.NaN(), math.Inf(1), math.Inf(-1), 1} {
		h.add(float32(v))
	}
	if h.N != 4 || h.Counts[0] != 3 || h.Counts[Bins-1] != 1 || h.Above != 0 || h.Mean != 0.25 {
		t.Errorf("the histogram is %+v", h)
	}
	if _, err := json.Marshal(h); err != nil {
		t.Error(err)
	}
}
