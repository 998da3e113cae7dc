package preprocess

// #include "kernel.h"
import "C"

import "math"

// A policy says how the outputs of one axis are made from its inputs. Exactly
// one of its kinds is set:
//
//   - filter with support: a separable, antialiased filter, as Pillow's;
//   - position: two neighbours and a fraction, as TensorFlow's;
//   - nearest: one neighbour, as Pillow's;
//   - area: the part of each input that the output covers, as OpenCV's;
//   - fixed with support: weights of 11 bits, as OpenCV's other methods have.
//
// A further policy is a further entry of policies.
type policy struct {
	// filter turns distances from the middle of an output into weights, in place.
	filter  func(x []float64)
	support float64

	// position returns where output i of outputs is on an axis of inputs.
	position func(i, inputs, outputs int) float64

	nearest bool
	area    bool

	// fixed returns the weights of 2*support inputs for an output that is so far behind the
	// input in their middle, 0 to 1, into w.
	fixed func(x float32, w []float32)

	// bytes rounds pixels to bytes before they become numbers.
	bytes bool
	// grows takes the place of the policy where a side grows; nil for none.
	grows *policy
	// covers makes the positions of OpenCV's INTER_AREA where a side grows.
	covers bool
}

var policies = map[Resize]policy{
	PillowBilinear: {filter: triangles, support: 1},
	PillowBicubic:  {filter: cubics, support: 2},
	PillowLanczos:  {filter: lanczoses, support: 3},
	PillowNearest:  {nearest: true},

	TFBilinear:             {position: halfPixel},
	TFBilinearLegacy:       {position: asymmetric},
	TFBilinearAlignCorners: {position: alignCorners},

	Area: {area: true},

	OpenCVLinear:  {fixed: fixedLinear, support: 1, bytes: true},
	OpenCVCubic:   {fixed: fixedCubic, support: 2, bytes: true},
	OpenCVLanczos: {fixed: fixedLanczos, support: 4, bytes: true},
	OpenCVArea:    {area: true, bytes: true, grows: &policy{fixed: fixedLinear, support: 1, bytes: true, covers: true}},
}

// of returns the policy for inputs that become outputs, along both axes.
func (p policy) of(inputsW, inputsH int, g geometry) policy {
	if p.grows != nil && (inputsW < g.resizedW || inputsH < g.resizedH) {
		return *p.grows
	}
	return p
}

// method returns how the kernels read an axis of p.
func (p policy) method() C.int32_t {
	switch {
	case p.filter != nil:
		return C.BS_FILTER
	case p.area:
		return C.BS_AREA
	case p.fixed != nil:
		return C.BS_FIXED
	}
	return C.BS_LERP
}

// triangles and the functions below it are loops, since a call for each weight would
// take longer than the weight.
func triangles(x []float64) {
	for i, v := range x {
		x[i] = max(0, 1-math.Abs(v))
	}
}

func cubics(x []float64) {
	for i, v := range x {
		x[i] = cubic(v)
	}
}

func lanczoses(x []float64) {
	for i, v := range x {
		x[i] = lanczos(v)
	}
}

// cubic is Keys's convolution kernel with a = -0.5.
func cubic(x float64) float64 {
	const a = -0.5
	switch x = math.Abs(x); {
	case x < 1:
		return ((a+2)*x-(a+3))*x*x + 1
	case x < 2:
		return (((x-5)*x+8)*x - 4) * a
	}
	return 0
}

func lanczos(x float64) float64 {
	if -3 <= x && x < 3 {
		return sinc(x) * sinc(x/3)
	}
	return 0
}

func sinc(x float64) float64 {
	if x == 0 {
		return 1
	}
	x *= math.Pi
	return math.Sin(x) / x
}

// halfPixel treats pixels as areas, whose middle is at a half.
func halfPixel(i, inputs, outputs int) float64 {
	return float64((float64(i)+0.5)*(float64(inputs)/float64(outputs))) - 0.5
}

// asymmetric lets the first pixels coincide, but not the last.
func asymmetric(i, inputs, outputs int) float64 {
	return float64(i) * (float64(inputs) / float64(outputs))
}

// alignCorners lets the first pixels coincide, and the last.
func alignCorners(i, inputs, outputs int) float64 {
	if outputs == 1 {
		return 0
	}
	return float64(i) * (float64(inputs-1) / float64(outputs-1))
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
