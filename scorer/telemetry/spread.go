package telemetry

import "sync/atomic"

// buckets is how many bounds a spread has at most.
const buckets = 18

// SecondsBounds are the upper bounds of the times of stages, in seconds: from the decoding
// of a small picture to a storage that does not answer.
var SecondsBounds = [...]float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60}

// BatchBounds are the upper bounds of the images of one call of the device.
var BatchBounds = [...]float64{1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024}

// spread counts values by bucket, without a lock.
type spread struct {
	counts [buckets + 1]atomic.Int64 // the last is of values above all bounds
	sum    atomic.Int64              // where it is not counted elsewhere
}

func (s *spread) add(bounds []float64, v float64) {
	i := 0
	for i < len(bounds) && v > bounds[i] {
		i++
	}
	s.counts[i].Add(1)
}

// Spread says how many values there were up to each bound.
type Spread struct {
	Count   uint64
	Sum     float64
	Buckets map[float64]uint64 // by upper bound, each with all smaller values
}

func (s *spread) read(bounds []float64, sum float64) Spread {
	r := Spread{Sum: sum, Buckets: make(map[float64]uint64, len(bounds))}
	for i, bound := range bounds {
		r.Count += uint64(s.counts[i].Load())
		r.Buckets[bound] = r.Count
	}
	r.Count += uint64(s.counts[len(bounds)].Load())
	return r
}
