package evaluate

import (
	"math"
	"math/rand/v2"
	"slices"
)

const (
	// noiseDraws is how many pairs of samples noise draws, unless there are very many things:
	// then it draws no more than noiseCounts counts, but leastNoiseDraws pairs.
	noiseDraws      = 200
	leastNoiseDraws = 40
	noiseCounts     = 1_000_000
	// confidence is the share of these pairs whose index is at most the noise.
	confidence = 0.95
	// manyCounts is the mean from which on a count is drawn from a normal distribution.
	manyCounts = 50
)

// noise returns the population stability index that two samples of the same distribution, of as many
// images as these, stay below in 95% of all cases. The distribution is that of both together. There
// is no formula for few images, because an empty bin counts as a small constant: so noise draws
// samples, always the same ones.
func noise(here, there []int) Value {
	n, m := 0, 0
	var both []int
	for i := range here {
		if sum := here[i] + there[i]; sum > 0 {
			both = append(both, sum)
			n, m = n+here[i], m+there[i]
		}
	}
	if n == 0 || m == 0 {
		return None
	}
	random := rand.New(rand.NewPCG(1, 2))
	found := make([]float64, max(leastNoiseDraws, min(noiseDraws, noiseCounts/len(both))))
	a, b := make([]int, len(both)), make([]int, len(both))
	for i := range found {
		draw(random, a, both, float64(n)/float64(n+m))
		draw(random, b, both, float64(m)/float64(n+m))
		found[i] = psi(shares(a), shares(b))
	}
	slices.Sort(found)
	return Value(found[int(math.Ceil(confidence*float64(len(found))))-1])
}

// draw draws a sample: each count is one of a Poisson distribution whose mean is that share of
// another one. A sample is never empty.
func draw(random *rand.Rand, sample, of []int, share float64) {
	sum := 0
	for sum == 0 {
		for i, n := range of {
			sample[i] = poisson(random, float64(n)*share)
			sum += sample[i]
		}
	}
}

// poisson returns a number of a Poisson distribution.
func poisson(random *rand.Rand, mean float64) int {
	if mean >= manyCounts {
		return max(0, int(math.Round(mean+math.Sqrt(mean)*random.NormFloat64())))
	}
	n := 0
	for p, end := random.Float64(), math.Exp(-mean); p > end; n++ {
		p *= random.Float64()
	}
	return n
}
