package row

import "math"

// finite reports whether a value is a number, neither NaN nor infinite.
func finite(s float32) bool { return s-s == 0 }

// AllFinite reports whether every value is a number, neither NaN nor infinite.
func AllFinite(values []float32) bool {
	for _, v := range values {
		if !finite(v) {
			return false
		}
	}
	return true
}

// softmax turns logits into probabilities in place. Sums are taken in float64
// and in index order, so that the result does not depend on the machine.
func softmax(x []float32) {
	peak := x[0]
	for _, v := range x[1:] {
		peak = max(peak, v)
	}
	sum := 0.0
	for _, v := range x {
		sum += math.Exp(float64(v - peak))
	}
	for i, v := range x {
		x[i] = float32(math.Exp(float64(v-peak)) / sum)
	}
}

// sigmoid turns raw scores into scores from 0 to 1 in place, each independently.
func sigmoid(x []float32) {
	for i, v := range x {
		x[i] = float32(1 / (1 + math.Exp(-float64(v))))
	}
}

// best fills dst with the len(dst) highest scores, highest first. Of equal scores
// the lower class comes first. len(dst) is at most len(scores).
func best(dst []Class, scores []float32, labels []string) {
	n := 0
	for id, s := range scores {
		if n == len(dst) && s <= dst[n-1].Score {
			continue
		}
		if n < len(dst) {
			n++
		}
		i := n - 1
		for ; i > 0 && dst[i-1].Score < s; i-- {
			dst[i] = dst[i-1]
		}
		dst[i] = Class{ClassID: id, Score: s}
	}
	for i := range dst {
		if id := dst[i].ClassID; id < len(labels) {
			dst[i].Label = labels[id]
		}
	}
}
