package scorer

import (
	"math"

	"github.com/batchscore/batchscore/scorer/output"
)

// finite reports whether every score is a number.
func finite(scores []float32) bool {
	for _, s := range scores {
		if s-s != 0 { // NaN and the infinities alone
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

// sigmoid turns raw scores into scores from 0 to 1 in place, each by itself.
func sigmoid(x []float32) {
	for i, v := range x {
		x[i] = float32(1 / (1 + math.Exp(-float64(v))))
	}
}

// within reports whether every score is from 0 to 1, but for what an 8-bit model
// rounds.
func within(scores []float32) bool {
	for _, s := range scores {
		if s < -0.05 || s > 1.05 {
			return false
		}
	}
	return true
}

// best fills dst with the len(dst) highest scores, highest first; of equal
// scores the lower class comes first. len(dst) is at most len(scores).
func best(dst []output.Class, scores []float32, labels []string) {
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
		dst[i] = output.Class{ClassID: id, Score: s}
	}
	for i := range dst {
		if id := dst[i].ClassID; id < len(labels) {
			dst[i].Label = labels[id]
		}
	}
}
