package graph

import (
	"math"
	"slices"

	"github.com/batchscore/batchscore/models/graph/onnxpb"
)

// Ints adds a list of integers, such as a shape.
func (g *Graph) Ints(name string, v ...int64) Value {
	return g.Node("Constant", name, nil, Int64, []int64{int64(len(v))}, ints("value_ints", v...))
}

// Reshape gives x another shape of as many elements. The first axis stays as it is, and
// no other axis may be Dynamic.
func (g *Graph) Reshape(name string, x Value, rest ...int64) Value {
	from, to := int64(1), int64(1)
	for i, n := range x.Shape {
		if i == 0 {
			continue
		}
		if n == Dynamic || n > 0 && from > math.MaxInt32/n {
			g.fail(name, "cannot reshape %v", x.Shape)
			return Value{}
		}
		from *= n
	}
	for _, n := range rest {
		if n < 1 || to > math.MaxInt32/n {
			g.fail(name, "cannot reshape to %v", rest)
			return Value{}
		}
		to *= n
	}
	if len(x.Shape) == 0 || from != to {
		g.fail(name, "%v has not as many elements as %v", x.Shape, rest)
		return Value{}
	}
	// In ONNX a size of 0 is that of the operand.
	shape := g.Ints(name+"/shape", append([]int64{0}, rest...)...)
	return g.Node("Reshape", name, []Value{x, shape}, x.Type, append([]int64{x.Shape[0]}, rest...))
}

// MatMul multiplies the matrices in the last two axes of x and y. y either has as many
// axes as x, and all but the last two are equal, or it is one matrix, which is used for
// every matrix of x.
func (g *Graph) MatMul(name string, x, y Value) Value {
	m, n := len(x.Shape), len(y.Shape)
	if m < 2 || n < 2 || x.Type != y.Type || x.Shape[m-1] != y.Shape[n-2] ||
		n != 2 && (m != n || !slices.Equal(x.Shape[:m-2], y.Shape[:n-2])) {
		g.fail(name, "cannot multiply %v by %v", x.Shape, y.Shape)
		return Value{}
	}
	shape := append(slices.Clone(x.Shape[:m-1]), y.Shape[n-1])
	return g.Node("MatMul", name, []Value{x, y}, x.Type, shape)
}

// LayerNorm is scale * (x-mean) / sqrt(variance+epsilon) + bias, with the mean and the
// variance of the values along the last axis of x.
func (g *Graph) LayerNorm(name string, x, scale, bias Value, epsilon float32) Value {
	for _, p := range []Value{scale, bias} {
		if len(x.Shape) < 2 || !slices.Equal(p.Shape, x.Shape[len(x.Shape)-1:]) {
			g.fail(name, "parameter %s %v does not fit an input %v", p.Name, p.Shape, x.Shape)
			return Value{}
		}
	}
	return g.Node("LayerNormalization", name, []Value{x, scale, bias}, x.Type, x.Shape, integer("axis", -1), float("epsilon", epsilon))
}

// PrependZeros puts one element of zeros before the others on axis 1 of x.
func (g *Graph) PrependZeros(name string, x Value) Value {
	if len(x.Shape) < 2 || x.Shape[1] == Dynamic {
		g.fail(name, "cannot put zeros before the elements of shape %v", x.Shape)
		return Value{}
	}
	pads := make([]int64, 2*len(x.Shape))
	pads[1] = 1
	shape := slices.Clone(x.Shape)
	shape[1]++
	return g.Node("Pad", name, []Value{x, g.Ints(name+"/pads", pads...)}, x.Type, shape)
}

// Pad puts zeros around the planes of x, [N,C,H,W]. pad is top, left, bottom, right.
func (g *Graph) Pad(name string, x Value, pad [4]int64) Value {
	if len(x.Shape) != 4 || slices.Contains(x.Shape[1:], Dynamic) || slices.Min(pad[:]) < 0 {
		g.fail(name, "cannot pad shape %v by %v", x.Shape, pad)
		return Value{}
	}
	pads := g.Ints(name+"/pads", 0, 0, pad[0], pad[1], 0, 0, pad[2], pad[3])
	shape := []int64{x.Shape[0], x.Shape[1], x.Shape[2] + pad[0] + pad[2], x.Shape[3] + pad[1] + pad[3]}
	return g.Node("Pad", name, []Value{x, pads}, x.Type, shape)
}

// First takes the first element on axis 1 of x, which loses that axis.
func (g *Graph) First(name string, x Value) Value {
	if len(x.Shape) < 2 {
		g.fail(name, "shape %v has no axis 1", x.Shape)
		return Value{}
	}
	index := g.Node("Constant", name+"/index", nil, Int64, nil, integer("value_int", 0))
	return g.Node("Gather", name, []Value{x, index}, x.Type, slices.Delete(slices.Clone(x.Shape), 1, 2), integer("axis", 1))
}

// DepthwiseConv is a convolution of each channel of x, [N,C,H,W], by itself, with weights
// [C*multiplier,1,kh,kw] and an optional bias [C*multiplier].
func (g *Graph) DepthwiseConv(name string, x, weights, bias Value, w Window) Value {
	if len(weights.Shape) != 4 || len(x.Shape) != 4 || weights.Shape[1] != 1 || x.Shape[1] < 1 || weights.Shape[0]%x.Shape[1] != 0 {
		g.fail(name, "weights %v do not fit the channels of an input %v", weights.Shape, x.Shape)
		return Value{}
	}
	if bias.Name != "" && !slices.Equal(bias.Shape, weights.Shape[:1]) {
		g.fail(name, "bias %v does not fit weights %v", bias.Shape, weights.Shape)
	}
	w = w.normal()
	w.Kernel = [2]int64(weights.Shape[2:])
	attributes := []*onnxpb.AttributeProto{
		ints("dilations", w.Dilation[:]...), integer("group", x.Shape[1]), ints("kernel_shape", w.Kernel[:]...),
		ints("pads", w.Pad[:]...), ints("strides", w.Stride[:]...),
	}
	return g.Node("Conv", name, []Value{x, weights, bias}, x.Type, g.slide(name, x, w, weights.Shape[0]), attributes...)
}
