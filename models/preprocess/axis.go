package preprocess

// #include "kernel.h"
import "C"

import "math"

// An axisKey is all that an axis depends on, given its policy: the window of n
// outputs from offset on, when inputs are resized to outputs.
type axisKey struct{ inputs, outputs, offset, n int }

// An axis owns the C tables for one bs_axis, and keeps them as long as images
// of one size follow one another.
type axis struct {
	key     axisKey
	c       C.bs_axis
	first   buffer[int32]
	second  buffer[int32]
	weights buffer[int16]
	frac    buffer[float32]

	// Of the filter, before the weights are made fixed point.
	exact  []float64
	counts []int32
}

func (a *axis) set(p policy, key axisKey) {
	if a.key == key {
		return
	}
	a.key = key
	a.c.n = C.int32_t(key.n)
	if p.filter != nil {
		a.setFilter(p, key)
	} else {
		a.setPosition(p, key)
	}
}

// setFilter computes Pillow's coefficients (precompute_coeffs in Resample.c).
func (a *axis) setFilter(p policy, key axisKey) {
	scale := float64(key.inputs) / float64(key.outputs)
	stretch := max(scale, 1)
	support := p.support * stretch
	most := min(int(math.Ceil(support))*2+1, key.inputs)

	first := a.first.need(key.n)
	if cap(a.counts) < key.n {
		a.counts = make([]int32, key.n)
	}
	if cap(a.exact) < key.n*most {
		a.exact = make([]float64, key.n*most)
	}
	counts, exact := a.counts[:key.n], a.exact[:key.n*most]
	taps, largest := 0, 0.0
	for i := range key.n {
		center := (float64(key.offset+i) + 0.5) * scale
		lo := max(int(center-support+0.5), 0)
		hi := min(int(center+support+0.5), key.inputs)
		w := exact[i*most:][:hi-lo]
		sum := 0.0
		for t := range w {
			w[t] = p.filter((float64(t+lo) - center + 0.5) / stretch)
			sum += w[t]
		}
		// Weights of zero at the ends only widen the window.
		for len(w) > 1 && w[len(w)-1] == 0 {
			w = w[:len(w)-1]
		}
		for t := range w {
			w[t] /= sum
			largest = max(largest, math.Abs(w[t]))
		}
		first[i], counts[i] = int32(lo), int32(len(w))
		taps = max(taps, len(w))
	}
	taps = (taps + 3) &^ 3

	// As many fraction bits as the largest weight leaves in 16, and as 255
	// times their sum leaves in 32.
	shift := 22
	for shift > 0 && math.Round(largest*float64(int(1)<<shift)) > math.MaxInt16 {
		shift--
	}
	weights := a.weights.need(key.n * taps)
	clear(weights)
	for i := range key.n {
		// A window that would hang over the far edge starts earlier instead,
		// so that a vector load stays within the row.
		over := min(max(int(first[i])+taps-key.inputs, 0), int(first[i]), taps-int(counts[i]))
		first[i] -= int32(over)
		to := weights[i*taps+over:]
		for t, w := range exact[i*most:][:counts[i]] {
			to[t] = int16(math.Round(w * float64(int(1)<<shift)))
		}
	}
	a.c.taps = C.int32_t(taps)
	a.c.shift = C.int32_t(shift)
	a.c.first = (*C.int32_t)(a.first.pointer())
	a.c.weights = (*C.int16_t)(a.weights.pointer())
}

func (a *axis) setPosition(p policy, key axisKey) {
	first, second, frac := a.first.need(key.n), a.second.need(key.n), a.frac.need(key.n)
	for i := range key.n {
		at := p.position(key.offset+i, key.inputs, key.outputs)
		lo := max(math.Floor(at), 0)
		hi := min(math.Ceil(at), float64(key.inputs-1))
		first[i], second[i] = int32(min(lo, hi)), int32(hi)
		frac[i] = float32(at - lo)
	}
	a.c.first = (*C.int32_t)(a.first.pointer())
	a.c.second = (*C.int32_t)(a.second.pointer())
	a.c.frac = (*C.float)(a.frac.pointer())
}

func (a *axis) free() {
	a.first.free()
	a.second.free()
	a.weights.free()
	a.frac.free()
	a.key = axisKey{}
}
