package graph

import (
	"math"
	"slices"

	"github.com/batchscore/batchscore/models/graph/onnxpb"
)

// Cast converts x to another element type.
func (g *Graph) Cast(name string, x Value, to DType) Value {
	return g.Node("Cast", name, []Value{x}, to, x.Shape, integer("to", int64(to)))
}

// Mul multiplies x by y, which is a scalar or has a shape that broadcasts to x's.
func (g *Graph) Mul(name string, x, y Value) Value { return g.elementwise("Mul", name, x, y) }

// Add adds y to x. y is a scalar or has a shape that broadcasts to x's.
func (g *Graph) Add(name string, x, y Value) Value { return g.elementwise("Add", name, x, y) }

// Sub subtracts y from x. y is a scalar or has a shape that broadcasts to x's.
func (g *Graph) Sub(name string, x, y Value) Value { return g.elementwise("Sub", name, x, y) }

// Div divides x by y, which is a scalar or has a shape that broadcasts to x's.
func (g *Graph) Div(name string, x, y Value) Value { return g.elementwise("Div", name, x, y) }

func (g *Graph) elementwise(op, name string, x, y Value) Value {
	if x.Type != y.Type {
		g.fail(name, "%s of %v and %v", op, x.Type, y.Type)
	}
	off := len(x.Shape) - len(y.Shape)
	for i, n := range y.Shape {
		if off < 0 || n != 1 && n != x.Shape[off+i] {
			g.fail(name, "shape %v does not broadcast to %v", y.Shape, x.Shape)
			break
		}
	}
	return g.Node(op, name, []Value{x, y}, x.Type, x.Shape)
}

// Transpose reorders the axes of x: axis i of the result is axis perm[i] of x.
func (g *Graph) Transpose(name string, x Value, perm ...int64) Value {
	shape := make([]int64, len(x.Shape))
	seen := make([]bool, len(x.Shape))
	for i, p := range perm {
		if len(perm) != len(shape) || p < 0 || p >= int64(len(shape)) || seen[p] {
			g.fail(name, "%v does not permute the axes of shape %v", perm, x.Shape)
			return Value{}
		}
		seen[p] = true
		shape[i] = x.Shape[p]
	}
	return g.Node("Transpose", name, []Value{x}, x.Type, shape, ints("perm", perm...))
}

// Window is how a kernel slides over the two spatial axes. A zero Stride or
// Dilation means 1.
type Window struct {
	Kernel   [2]int64 // height, width; Conv uses the size of its weights instead
	Stride   [2]int64
	Dilation [2]int64
	Pad      [4]int64 // top, left, bottom, right
	// CountPad makes AveragePool count the padding as zeros, as PyTorch does.
	CountPad bool
}

// SamePad returns w with TensorFlow's padding "same" for an input of height x width:
// the output is ceil(input/stride), and an odd pixel of padding goes to the bottom and
// the right.
func (w Window) SamePad(height, width int64) Window {
	w = w.normal()
	for i, n := range [2]int64{height, width} {
		out := (n + w.Stride[i] - 1) / w.Stride[i]
		total := max((out-1)*w.Stride[i]+(w.Kernel[i]-1)*w.Dilation[i]+1-n, 0)
		w.Pad[i], w.Pad[i+2] = total/2, total-total/2
	}
	return w
}

func (w Window) normal() Window {
	for i := range 2 {
		w.Stride[i] = max(w.Stride[i], 1)
		w.Dilation[i] = max(w.Dilation[i], 1)
	}
	return w
}

// slide returns the shape of the result if w slides over x, [N,C,H,W], and the result
// has that many channels.
func (g *Graph) slide(name string, x Value, w Window, channels int64) []int64 {
	if len(x.Shape) != 4 {
		g.fail(name, "input of shape %v is not [N,C,H,W]", x.Shape)
		return nil
	}
	shape := []int64{x.Shape[0], channels, 0, 0}
	for i := range 2 {
		n, extent := x.Shape[2+i], (w.Kernel[i]-1)*w.Dilation[i]+1
		padded := n + w.Pad[i] + w.Pad[i+2]
		if n == Dynamic || w.Kernel[i] < 1 || padded < extent {
			g.fail(name, "a %dx%d kernel does not fit on an input of shape %v", w.Kernel[0], w.Kernel[1], x.Shape)
			return nil
		}
		shape[2+i] = (padded-extent)/w.Stride[i] + 1
	}
	return shape
}

// Conv is a two-dimensional convolution of x, [N,C,H,W], with weights
// [M,C,kh,kw] and an optional bias [M]. It has no groups.
func (g *Graph) Conv(name string, x, weights, bias Value, w Window) Value {
	if len(weights.Shape) != 4 || len(x.Shape) != 4 || weights.Shape[1] != x.Shape[1] {
		g.fail(name, "weights %v do not fit an input %v", weights.Shape, x.Shape)
		return Value{}
	}
	if bias.Name != "" && !slices.Equal(bias.Shape, weights.Shape[:1]) {
		g.fail(name, "bias %v does not fit weights %v", bias.Shape, weights.Shape)
	}
	w = w.normal()
	w.Kernel = [2]int64(weights.Shape[2:])
	return g.Node("Conv", name, []Value{x, weights, bias}, x.Type, g.slide(name, x, w, weights.Shape[0]),
		ints("dilations", w.Dilation[:]...), ints("kernel_shape", w.Kernel[:]...),
		ints("pads", w.Pad[:]...), ints("strides", w.Stride[:]...))
}

// MaxPool takes the largest value of each window of x, [N,C,H,W].
func (g *Graph) MaxPool(name string, x Value, w Window) Value {
	return g.pool("MaxPool", name, x, w)
}

// AveragePool takes the mean of each window of x, [N,C,H,W]. Padding does not count
// unless w.CountPad is set.
func (g *Graph) AveragePool(name string, x Value, w Window) Value {
	return g.pool("AveragePool", name, x, w)
}

func (g *Graph) pool(op, name string, x Value, w Window) Value {
	if len(x.Shape) != 4 {
		g.fail(name, "input of shape %v is not [N,C,H,W]", x.Shape)
		return Value{}
	}
	w = w.normal()
	if w.Dilation != [2]int64{1, 1} {
		g.fail(name, "a pool has no dilation")
	}
	attributes := []*onnxpb.AttributeProto{
		ints("kernel_shape", w.Kernel[:]...), ints("pads", w.Pad[:]...), ints("strides", w.Stride[:]...),
	}
	if w.CountPad && op == "AveragePool" {
		attributes = append(attributes, integer("count_include_pad", 1))
	}
	return g.Node(op, name, []Value{x}, x.Type, g.slide(name, x, w, x.Shape[1]), attributes...)
}

// GlobalAveragePool takes the mean of each plane of x, [N,C,H,W]. The result is
// [N,C,1,1].
func (g *Graph) GlobalAveragePool(name string, x Value) Value {
	if len(x.Shape) != 4 {
		g.fail(name, "input of shape %v is not [N,C,H,W]", x.Shape)
		return Value{}
	}
	return g.Node("GlobalAveragePool", name, []Value{x}, x.Type, []int64{x.Shape[0], x.Shape[1], 1, 1})
}

// BatchNorm is scale * (x-mean) / sqrt(variance+epsilon) + bias, for each
// channel (axis 1) of x.
func (g *Graph) BatchNorm(name string, x, scale, bias, mean, variance Value, epsilon float32) Value {
	for _, p := range []Value{scale, bias, mean, variance} {
		if len(x.Shape) < 2 || !slices.Equal(p.Shape, x.Shape[1:2]) {
			g.fail(name, "parameter %s %v does not fit an input %v", p.Name, p.Shape, x.Shape)
			return Value{}
		}
	}
	return g.Node("BatchNormalization", name, []Value{x, scale, bias, mean, variance}, x.Type, x.Shape,
		float("epsilon", epsilon))
}

// Relu is max(x, 0).
func (g *Graph) Relu(name string, x Value) Value {
	return g.Node("Relu", name, []Value{x}, x.Type, x.Shape)
}

// Softmax turns the values along the last axis of x into probabilities.
func (g *Graph) Softmax(name string, x Value) Value {
	return g.Node("Softmax", name, []Value{x}, x.Type, x.Shape, integer("axis", -1))
}

// Concat joins values along an axis. They may differ in size on that axis only.
func (g *Graph) Concat(name string, axis int64, values ...Value) Value {
	if len(values) == 0 || axis < 0 || axis >= int64(len(values[0].Shape)) {
		g.fail(name, "cannot join %d values on axis %d", len(values), axis)
		return Value{}
	}
	shape := slices.Clone(values[0].Shape)
	for _, v := range values[1:] {
		if len(v.Shape) != len(shape) || v.Type != values[0].Type {
			g.fail(name, "%s %v %v does not join %s %v %v", v.Name, v.Type, v.Shape, values[0].Name, values[0].Type, shape)
			return Value{}
		}
		for i, n := range v.Shape {
			switch {
			case int64(i) != axis && n != shape[i]:
				g.fail(name, "%s %v does not join %s %v on axis %d", v.Name, v.Shape, values[0].Name, values[0].Shape, axis)
				return Value{}
			case int64(i) == axis && (n == Dynamic || shape[i] == Dynamic):
				g.fail(name, "axis %d of %s is dynamic", axis, v.Name)
				return Value{}
			case int64(i) == axis:
				shape[i] += n
			}
		}
	}
	return g.Node("Concat", name, values, values[0].Type, shape, integer("axis", axis))
}

// Flatten joins all axes of x after the first.
func (g *Graph) Flatten(name string, x Value) Value {
	if len(x.Shape) < 2 || slices.Contains(x.Shape[1:], Dynamic) {
		g.fail(name, "cannot flatten shape %v", x.Shape)
		return Value{}
	}
	width := int64(1)
	for _, n := range x.Shape[1:] {
		if n > 0 && width > math.MaxInt32/n {
			g.fail(name, "shape %v is too large to flatten", x.Shape)
			return Value{}
		}
		width *= n
	}
	return g.Node("Flatten", name, []Value{x}, x.Type, []int64{x.Shape[0], width}, integer("axis", 1))
}

// Gemm is the fully connected layer x*weights + bias, of x [N,K], weights
// [K,M] and an optional bias [M].
func (g *Graph) Gemm(name string, x, weights, bias Value) Value {
	if len(x.Shape) != 2 || len(weights.Shape) != 2 || x.Shape[1] != weights.Shape[0] {
		g.fail(name, "weights %v do not fit an input %v", weights.Shape, x.Shape)
		return Value{}
	}
	if bias.Name != "" && !slices.Equal(bias.Shape, weights.Shape[1:]) {
		g.fail(name, "bias %v does not fit weights %v", bias.Shape, weights.Shape)
	}
	return g.Node("Gemm", name, []Value{x, weights, bias}, x.Type, []int64{x.Shape[0], weights.Shape[1]})
}

// Linear is Gemm with transposed weights, [M,K], as in PyTorch.
func (g *Graph) Linear(name string, x, weights, bias Value) Value {
	if len(x.Shape) != 2 || len(weights.Shape) != 2 || x.Shape[1] != weights.Shape[1] {
		g.fail(name, "weights %v do not fit an input %v", weights.Shape, x.Shape)
		return Value{}
	}
	if bias.Name != "" && !slices.Equal(bias.Shape, weights.Shape[:1]) {
		g.fail(name, "bias %v does not fit weights %v", bias.Shape, weights.Shape)
	}
	return g.Node("Gemm", name, []Value{x, weights, bias}, x.Type, []int64{x.Shape[0], weights.Shape[0]}, integer("transB", 1))
}
