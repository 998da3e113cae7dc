package preprocess

// #include "kernel.h"
import "C"

import "math"

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

func fixedLinear(x float32, w []float32) { w[0], w[1] = 1-x, x }

// fixedCubic is Keys's convolution kernel with a = -0.75. The conversions keep the compiler from
// joining a product and a sum.
func fixedCubic(x float32, w []float32) {
	const a = -0.75
	near := func(x float32) float32 {
		return float32(float32(float32(float32((a+2)*x)-(a+3))*x)*x) + 1
	}
	far := x + 1
	w[0] = float32(float32(float32(float32(float32(a*far)-5*a)*far)+8*a)*far) - 4*a
	w[1], w[2] = near(x), near(1-x)
	w[3] = 1 - w[0] - w[1] - w[2]
}

// fixedLanczos is interpolateLanczos4 of OpenCV.
func fixedLanczos(x float32, w []float32) {
	const half = math.Sqrt2 / 2
	turns := [8][2]float64{{1, 0}, {-half, -half}, {0, 1}, {half, -half}, {-1, 0}, {half, half}, {0, -1}, {-half, half}}
	sin, cos := math.Sincos(-float64(x+3) * math.Pi * 0.25)
	sum := float32(0)
	for i := range w {
		far := x + 3 - float32(i)
		w[i] = 1e30 // at the input itself
		if math.Abs(float64(far)) >= 1e-6 {
			y := -float64(far) * math.Pi * 0.25
			w[i] = float32((float64(turns[i][0]*sin) + float64(turns[i][1]*cos)) / float64(y*y))
		}
		sum += w[i]
	}
	for i := range w {
		w[i] *= 1 / sum
	}
}
