package evaluate

import "math"

// distance returns how far two distributions are apart, given as counts of the same things.
func distance(here, there []int) Distance {
	a, b := shares(here), shares(there)
	if a == nil || b == nil {
		return Distance{PSI: None, JS: None, JSDistance: None, Noise: None}
	}
	js := jensenShannon(a, b)
	return Distance{PSI: Value(psi(a, b)), JS: Value(js), JSDistance: Value(math.Sqrt(js)), Noise: noise(here, there)}
}

// shares returns the share of each count; nil if all are 0.
func shares(counts []int) []float64 {
	sum := 0
	for _, n := range counts {
		sum += n
	}
	if sum == 0 {
		return nil
	}
	all := make([]float64, len(counts))
	for i, n := range counts {
		all[i] = float64(n) / float64(sum)
	}
	return all
}

// psi returns the population stability index of two distributions.
func psi(here, there []float64) float64 {
	a, b := floor(here), floor(there)
	sum := 0.0
	for i := range here {
		if here[i] == 0 && there[i] == 0 {
			continue // a bin that both leave empty says nothing
		}
		p, q := here[i], there[i]
		if p == 0 {
			p = a
		}
		if q == 0 {
			q = b
		}
		sum += (p - q) * math.Log(p/q)
	}
	return sum
}

// floor returns what a share of 0 counts as.
func floor(shares []float64) float64 {
	least := 1.0
	for _, s := range shares {
		if s > 0 {
			least = min(least, s)
		}
	}
	if least <= 0.0001 {
		return least / 1e6
	}
	return 0.0001
}

// jensenShannon returns the divergence of two distributions in bits: the mean of how many bits
// they are apart from the mean of both.
func jensenShannon(here, there []float64) float64 {
	part := func(p, mean float64) float64 {
		if p == 0 {
			return 0
		}
		return p * math.Log2(p/mean)
	}
	sum := 0.0
	for i := range here {
		mean := (here[i] + there[i]) / 2
		sum += part(here[i], mean) + part(there[i], mean)
	}
	return min(max(sum/2, 0), 1)
}
