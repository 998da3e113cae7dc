package preprocess

import "math"

// A policy says how the outputs of one axis are made from its inputs. Exactly
// one of its two kinds is set:
//
//   - filter with support: a separable, antialiased filter, as Pillow's;
//   - position: two neighbours and a fraction, as TensorFlow's.
//
// A further policy is a further entry of policies.
type policy struct {
	filter  func(x float64) float64
	support float64

	// position is where output i of outputs lies on an axis of inputs.
	position func(i, inputs, outputs int) float64
}

var policies = map[Resize]policy{
	PillowBilinear:         {filter: triangle, support: 1},
	TFBilinearAlignCorners: {position: alignCorners},
}

func triangle(x float64) float64 { return max(0, 1-math.Abs(x)) }

func alignCorners(i, inputs, outputs int) float64 {
	if outputs == 1 {
		return 0
	}
	return float64(i) * (float64(inputs-1) / float64(outputs-1))
}
