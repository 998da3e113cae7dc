package evaluate

import "math"

// calibration adds up scores of the best class, in bins.
type calibration struct {
	noScore, outside int
	bins             [ReliabilityBins]struct {
		right, wrong int
		sum          float64 // of scores
	}
	squares float64 // of the distances between scores and 1 or 0
}

// edge returns the lower bound of a bin, as numpy.linspace(0, 1, ReliabilityBins+1) has it.
func edge(bin, bins int) float64 {
	if bin == bins {
		return 1
	}
	return float64(bin) * (1 / float64(bins))
}

// BinOf returns the bin from edge(i) to below edge(i+1) that a score is in, 1 being in the last
// one. What is outside of 0 to 1 is in the first or last one. The score has 24 bits, so that the
// product is exact.
func BinOf(score float32, bins int) int {
	return min(int(float64(min(max(score, 0), 1))*float64(bins)), bins-1)
}

// finite reports whether a score is a number.
func finite(score float32) bool {
	return !math.IsNaN(float64(score)) && !math.IsInf(float64(score), 0)
}

func (c *calibration) add(score float32, right bool) {
	v := float64(score)
	if v < 0 || v > 1 {
		c.outside++
	}
	b := &c.bins[BinOf(score, ReliabilityBins)]
	b.sum += v
	if right {
		b.right++
		c.squares += (v - 1) * (v - 1)
	} else {
		b.wrong++
		c.squares += v * v
	}
}

// result returns the figures, and how many answers with a score are right and wrong.
func (c *calibration) result() (r Calibration, right, wrong int) {
	r = Calibration{NoScore: c.noScore, Outside: c.outside, Bins: make([]Bin, ReliabilityBins), ECE: None, MCE: None, Brier: None}
	gaps, largest := 0.0, 0.0
	for i, b := range c.bins {
		n := b.right + b.wrong
		r.Bins[i] = Bin{
			From: edge(i, ReliabilityBins), To: edge(i+1, ReliabilityBins), Images: n, MeanScore: None, Accuracy: Wilson(b.right, n),
		}
		if n == 0 {
			continue
		}
		mean := b.sum / float64(n)
		r.Bins[i].MeanScore = Value(mean)
		gap := math.Abs(mean - float64(b.right)/float64(n))
		gaps += gap * float64(n)
		largest = max(largest, gap)
		right += b.right
		wrong += b.wrong
	}
	if r.Images = right + wrong; r.Images > 0 {
		n := float64(r.Images)
		r.ECE, r.MCE, r.Brier = Value(gaps/n), Value(largest), Value(c.squares/n)
	}
	return r, right, wrong
}
