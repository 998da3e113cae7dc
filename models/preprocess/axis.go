package preprocess

// #include "kernel.h"
import "C"

import (
	"math"
	"math/bits"
	"slices"
	"unsafe"
)

// An axisKey is all that an axis depends on, given its policy: inputs pixels,
// beginning at start, are resized to outputs pixels, of which the window has n,
// beginning at offset. A flipped axis has the taps of the upright image, mirrored.
type axisKey struct {
	start, inputs, outputs, offset, n int
	flip                              bool
	// Of a fixed policy: the axis is that of the second pass, and it takes the place of
	// another policy where a side grows.
	last, grows bool
}

// upright returns the index in the upright image of output i of the window.
func (k axisKey) upright(i int) int {
	if k.flip {
		return k.outputs - 1 - (k.offset + i)
	}
	return k.offset + i
}

// An axes keeps the axes of the last sizes: the images of one collection have few
// different sizes.
type axes struct {
	// weights is which kernels use a filter's weights: those for BS_AVX512 need them as
	// digits too, and those for BS_AVX2 in pairs.
	weights C.int32_t

	kept [16]axis // the first is for large axes
	next int      // index in kept of the one that was replaced last
}

// largeAxis inputs or outputs make a large axis. Of their tables only one is kept.
const largeAxis = 4096

func (s *axes) get(p policy, key axisKey) *C.bs_axis {
	for i := range s.kept {
		if a := &s.kept[i]; a.key == key {
			return &a.c
		}
	}
	a := &s.kept[0]
	if max(key.inputs, key.n) < largeAxis {
		s.next = s.next%(len(s.kept)-1) + 1
		a = &s.kept[s.next]
	}
	a.set(p, key, s.weights)
	return &a.c
}

func (s *axes) free() {
	for i := range s.kept {
		s.kept[i].free()
	}
}

// An axis owns the C tables for one bs_axis.
type axis struct {
	key     axisKey
	c       C.bs_axis
	first   buffer[int32]
	second  buffer[int32]
	weights buffer[int16]
	digits  buffer[int8]
	pairs   buffer[int16]
	flat    buffer[int16]
	frac    buffer[float32]
	cover   buffer[float32]
	index   buffer[int32]
	fixed   buffer[int32]

	// Of the filter, before the weights are made fixed point.
	exact  buffer[float64]
	counts buffer[int32]
}

// set computes the tables for key, a filter's weights as those kernels need them.
func (a *axis) set(p policy, key axisKey, kernels C.int32_t) {
	a.key = axisKey{} // until the tables are whole
	a.c.n = C.int32_t(key.n)
	switch {
	case p.filter != nil:
		a.setFilter(p, key, kernels == kernelsWithPairs)
		switch kernels {
		case kernelsWithDigits:
			a.setDigits()
		case kernelsWithPairs:
			a.setPairs()
		}
	case p.nearest:
		a.setNearest(key)
	case p.area:
		a.setArea(key)
	case p.fixed != nil:
		a.setFixed(p, key)
	default:
		a.setPosition(p, key)
	}
	a.key = key
}

// setFilter computes Pillow's coefficients (precompute_coeffs in Resample.c). pairs says that
// there may be pairs of them.
func (a *axis) setFilter(p policy, key axisKey, pairs bool) {
	scale := float64(key.inputs) / float64(key.outputs)
	stretch := max(scale, 1)
	support := p.support * stretch
	most := min(int(math.Ceil(support))*2+1, key.inputs)

	whole := (key.n + 3) &^ 3 // the kernels make up to four outputs at once
	first, counts := a.first.need(whole), a.counts.need(key.n)
	exact := a.exact.need(key.n * most)
	taps := 0
	for i := range key.n {
		center := (float64(key.upright(i)) + 0.5) * scale
		lo := max(int(center-support+0.5), 0)
		hi := min(int(center+support+0.5), key.inputs)
		w := exact[i*most:][:hi-lo]
		for t := range w {
			w[t] = (float64(t+lo) - center + 0.5) / stretch
		}
		// Taps beyond the support have a weight of zero, and only widen the
		// window. Zeros within it stay: without them a window could end before
		// the one before it does.
		for len(w) > 1 && w[len(w)-1] >= p.support {
			w = w[:len(w)-1]
		}
		p.filter(w)
		sum := 0.0
		for _, v := range w {
			sum += v
		}
		for t := range w {
			w[t] /= sum
		}
		if key.flip {
			lo = key.inputs - lo - len(w)
			slices.Reverse(w)
		}
		first[i], counts[i] = int32(lo), int32(len(w))
		taps = max(taps, len(w))
	}
	if taps = (taps + 1) &^ 1; !pairs || taps > mostPaired {
		taps = (taps + 3) &^ 3
	}

	weights := a.weights.need(whole * taps * 2)
	clear(weights)
	for i := range key.n {
		// A window that would exceed the far edge starts earlier instead, so
		// that a vector load stays within the row.
		over := min(max(int(first[i])+taps-key.inputs, 0), int(first[i]), taps-int(counts[i]))
		first[i] += int32(key.start - over)
		high := weights[2*i*taps+over:]
		low := weights[(2*i+1)*taps+over:]
		for t, w := range exact[i*most:][:counts[i]] {
			v := int32(w*(1<<C.BS_BITS) + math.Copysign(0.5, w))
			high[t], low[t] = int16(v>>C.BS_SPLIT), int16(v&(1<<C.BS_SPLIT-1))
		}
	}
	for i := key.n; i < whole; i++ {
		first[i] = first[key.n-1]
	}
	a.c.taps = C.int32_t(taps)
	a.c.first = (*C.int32_t)(a.first.pointer())
	a.c.weights = (*C.int16_t)(a.weights.pointer())
}

// setDigits splits the weights of setFilter into digits.
func (a *axis) setDigits() {
	n, taps := int(a.c.n+3)&^3, int(a.c.taps)
	weights := unsafe.Slice((*int16)(a.weights.pointer()), n*taps*2)
	digits := a.digits.need(n * taps * 3)
	for i := range n {
		high, low := weights[2*i*taps:][:taps], weights[(2*i+1)*taps:][:taps]
		out := digits[i/4*taps*12+i%4*4:]
		for t := range taps {
			// A digit is a byte less 128.
			const bias = 128 | 128<<8 | 128<<16
			v := uint32(int32(high[t])<<C.BS_SPLIT+int32(low[t])+bias) ^ bias
			quad := out[t&^3*12+t&3:][:33]
			quad[0], quad[16], quad[32] = int8(v), int8(v>>8), int8(v>>16)
		}
	}
	a.c.digits = (*C.int8_t)(a.digits.pointer())
}

// mostPaired bounds the taps of a filter whose weights are paired.
const mostPaired = C.BS_PAIRED

// setPairs repeats the weights of setFilter for each channel, as the kernel multiplies them.
func (a *axis) setPairs() {
	n, taps := int(a.c.n+3)&^3, int(a.c.taps)
	if taps > mostPaired {
		a.c.pairs, a.c.flat = nil, nil
		return
	}
	weights := unsafe.Slice((*int16)(a.weights.pointer()), n*taps*2)
	pairs := a.pairs.need(n * taps * 2 * 4)
	clips := false // without negative weights the others are 1 in all, to within taps of 1 << 22
	for i := range n {
		high, low := weights[2*i*taps:][:taps], weights[(2*i+1)*taps:][:taps]
		for t := 0; t < taps; t += 2 {
			clips = clips || high[t] < 0 || high[t+1] < 0
			out := pairs[i/2*taps*16+t*16+i%2*8:]
			for c := 0; c < 8; c += 2 {
				out[c], out[c+1] = low[t], low[t+1]
				out[16+c], out[17+c] = high[t], high[t+1]
			}
		}
	}
	a.c.pairs, a.c.clips = (*C.int16_t)(a.pairs.pointer()), cBool(clips)
	a.setFlat(weights)
}

// mostFlat bounds the taps of a filter whose weights are kept for planes too.
const mostFlat = 8

// setFlat arranges the weights of setFilter for eight outputs of one plane at a time.
func (a *axis) setFlat(weights []int16) {
	n, taps := int(a.c.n), int(a.c.taps)
	a.c.flat = nil
	if taps > mostFlat {
		return
	}
	first := unsafe.Slice((*int32)(a.first.pointer()), n)
	flat := a.flat.need((n + 7) &^ 7 * taps * 3)
	clear(flat)
	for i := range n {
		begin := int(first[i] - first[i&^3])
		if begin+taps > 16 {
			return
		}
		for t := range taps {
			out := flat[i&^7*taps*3+t/2*48+i%8*2+t%2:]
			const zero = -0x8000 // the byte above the index: it makes a zero
			out[0] = int16(zero + begin + t)
			out[16], out[32] = weights[(2*i+1)*taps+t], weights[2*i*taps+t]
		}
	}
	a.c.flat = (*C.int16_t)(a.flat.pointer())
}

func (a *axis) setPosition(p policy, key axisKey) {
	first, second, frac := a.first.need(key.n), a.second.need(key.n), a.frac.need(key.n)
	for i := range key.n {
		at := p.position(key.upright(i), key.inputs, key.outputs)
		if key.flip {
			at = float64(key.inputs-1) - at
		}
		lo := max(math.Floor(at), 0)
		hi := min(math.Ceil(at), float64(key.inputs-1))
		first[i], second[i] = int32(key.start)+int32(min(lo, hi)), int32(key.start)+int32(hi)
		frac[i] = float32(at - lo)
	}
	a.pointLerp()
}

// mostSteps bounds the work of setNearest, far beyond the sides of any image
// that Pillow could hold.
const mostSteps = 1 << 24

// setNearest adds step after step, as Pillow does (ImagingScaleAffine in
// Geometry.c): where an output is between two pixels, the rounding of the sum
// decides.
func (a *axis) setNearest(key axisKey) {
	first, second, frac := a.first.need(key.n), a.second.need(key.n), a.frac.need(key.n)
	clear(frac)
	scale := float64(key.inputs) / float64(key.outputs)
	at := scale * 0.5
	lowest := min(key.upright(0), key.upright(key.n-1))
	if lowest <= mostSteps {
		for range lowest {
			at += scale
		}
	} else {
		at += float64(lowest) * scale
	}
	for k := range key.n {
		i, source := k, min(int(at), key.inputs-1)
		if key.flip {
			i, source = key.n-1-k, key.inputs-1-source
		}
		first[i] = int32(key.start + source)
		second[i] = first[i]
		at += scale
	}
	a.pointLerp()
}

// setArea counts in parts of a pixel: each input has as many parts as there are
// outputs, and each output covers as many parts as there are inputs. A mirrored axis
// is the same axis.
func (a *axis) setArea(key axisKey) {
	// begin returns the input in which output i begins, and how many of its parts
	// are before that.
	begin := func(i int) (input, before int) {
		high, low := bits.Mul64(uint64(key.offset+i), uint64(key.inputs))
		quo, rem := bits.Div64(high, low, uint64(key.outputs))
		return int(quo), int(rem)
	}
	taps := 0
	for i := range key.n {
		_, before := begin(i)
		taps = max(taps, (before+key.inputs-1)/key.outputs+1)
	}
	first, cover := a.first.need(key.n), a.cover.need(key.n*taps)
	for i := range key.n {
		input, before := begin(i)
		// A window that would exceed the far edge starts earlier instead.
		lo := min(input, key.inputs-taps)
		for t := range taps {
			left := (lo + t - input) * key.outputs
			covered := min(before+key.inputs, left+key.outputs) - max(before, left)
			cover[i*taps+t] = float32(float64(max(covered, 0)) / float64(key.inputs))
		}
		first[i] = int32(key.start + lo)
	}
	a.c.taps = C.int32_t(taps)
	a.c.first = (*C.int32_t)(a.first.pointer())
	a.c.cover = (*C.float)(a.cover.pointer())
}

// fixedBits is the fraction bits of the weights of a fixed policy.
const fixedBits = 11

// setFixed computes the indices and weights of cv2.resize on bytes. Beyond the edges is the
// pixel of the edge.
func (a *axis) setFixed(p policy, key axisKey) {
	n := int(2 * p.support)
	first, index, fixed := a.first.need(key.n), a.index.need(key.n*n), a.fixed.need(key.n*n)
	grown := float64(key.outputs) / float64(key.inputs)
	scale := 1 / grown // as OpenCV computes it
	var w [8]float32
	for i := range key.n {
		out := key.upright(i)
		at, x := position(out, scale)
		if p.covers {
			at, x = covering(out, scale, grown)
		}
		// OpenCV does not interpolate beyond the edges along rows; it does along columns.
		if n == 2 && !key.last {
			switch {
			case at < 0:
				at, x = 0, 0
			case at >= key.inputs-1:
				at, x = key.inputs-1, 0
			}
		}
		p.fixed(x, w[:n])
		lowest := key.inputs
		for t := range n {
			source := min(max(at-n/2+1+t, 0), key.inputs-1)
			if key.flip {
				source = key.inputs - 1 - source
			}
			lowest = min(lowest, source)
			index[i*n+t] = int32(key.start + source)
			fixed[i*n+t] = int32(math.RoundToEven(float64(w[t] * (1 << fixedBits))))
		}
		first[i] = int32(key.start + lowest)
	}
	a.c.taps = C.int32_t(n)
	a.c.first = (*C.int32_t)(a.first.pointer())
	a.c.index = (*C.int32_t)(a.index.pointer())
	a.c.fixed = (*C.int32_t)(a.fixed.pointer())
}

// position returns the input before the middle of an output, and how far that is behind it.
func position(out int, scale float64) (at int, x float32) {
	exact := float32(float64((float64(out)+0.5)*scale) - 0.5)
	floor := float32(math.Floor(float64(exact)))
	return int(floor), exact - floor
}

// covering is position for INTER_AREA where a side grows.
func covering(out int, scale, grown float64) (at int, x float32) {
	at = int(math.Floor(float64(out) * scale))
	x = float32(float64(out+1) - float64(float64(at+1)*grown))
	if x <= 0 {
		return at, 0
	}
	return at, x - float32(math.Floor(float64(x)))
}

// areaHalvesToEven reports whether OpenCV's INTER_AREA rounds an exact half to even:
// it does where it shrinks, but not when it halves both sides. Otherwise halves are
// rounded up, as in every other policy.
func areaHalvesToEven(width, height int, g geometry) bool {
	shrinks := width >= g.resizedW && height >= g.resizedH
	halves := width == 2*g.resizedW && height == 2*g.resizedH
	return shrinks && !halves
}

func (a *axis) pointLerp() {
	a.c.first = (*C.int32_t)(a.first.pointer())
	a.c.second = (*C.int32_t)(a.second.pointer())
	a.c.frac = (*C.float)(a.frac.pointer())
}

func (a *axis) free() {
	a.first.free()
	a.second.free()
	a.weights.free()
	a.digits.free()
	a.pairs.free()
	a.flat.free()
	a.frac.free()
	a.cover.free()
	a.index.free()
	a.fixed.free()
	a.exact.free()
	a.counts.free()
	a.key = axisKey{}
}
