package graphtest

import (
	"github.com/batchscore/batchscore/models/graph"
	"github.com/batchscore/batchscore/models/graph/onnxpb"
)

// Pixels is how to prepare images for Colours, as flags.
var Pixels = []string{"--resize", "pillow-nearest", "--fit", "stretch", "--bgr=false", "--scale", "1/255"}

// Colours returns a model without a contract for float images [N,3,8,8] in 0 to 1, whose
// raw scores are easy to compute. The first three are 8 times the amount by which the mean
// red, green and blue exceed one half; the fourth is 0. A red image has 4, -4, -4, 0. The
// model has the first classes only, 1 to 4 of them. end leads from the raw scores
// [N,classes] to the output; if it is nil, they are the output.
func Colours(classes int, end func(g *graph.Graph, raw graph.Value) graph.Value) []byte {
	g := graph.New("colours")
	x := g.Input("images", graph.Float32, graph.Dynamic, 3, 8, 8)
	x = g.Flatten("means", g.GlobalAveragePool("pool", x))
	n := int64(classes)
	kernel, bias := make([]float32, 3*n), make([]float32, n)
	for class := range min(classes, 3) {
		kernel[class*classes+class], bias[class] = 8, -4
	}
	x = g.Gemm("raw", x, constant(g, "kernel", kernel, 3, n), constant(g, "bias", bias, n))
	if end != nil {
		x = end(g, x)
	}
	g.Output("scores", x)
	model, err := g.Bytes()
	if err != nil {
		panic(err)
	}
	return model
}

func constant(g *graph.Graph, name string, v []float32, shape ...int64) graph.Value {
	return g.Weights(name, func() ([]float32, error) { return v, nil }, shape...)
}

// Op adds an operator with one operand that keeps its shape.
func Op(op string, attributes ...*onnxpb.AttributeProto) func(*graph.Graph, graph.Value) graph.Value {
	return func(g *graph.Graph, x graph.Value) graph.Value {
		return g.Node(op, "end/"+op, []graph.Value{x}, x.Type, x.Shape, attributes...)
	}
}

// Axis returns the attribute of that name.
func Axis(axis int64) *onnxpb.AttributeProto {
	name := "axis"
	return &onnxpb.AttributeProto{Name: &name, Type: onnxpb.AttributeProto_INT.Enum(), I: &axis}
}

// Chain returns one ending after the other.
func Chain(ends ...func(*graph.Graph, graph.Value) graph.Value) func(*graph.Graph, graph.Value) graph.Value {
	return func(g *graph.Graph, x graph.Value) graph.Value {
		for _, end := range ends {
			x = end(g, x)
		}
		return x
	}
}

// Times returns an ending that multiplies by a number.
func Times(by float32) func(*graph.Graph, graph.Value) graph.Value {
	return func(g *graph.Graph, x graph.Value) graph.Value { return g.Mul("end/times", x, g.Scalar("end/by", by)) }
}

// Rounded returns an ending with 8-bit output: whole multiples of scale.
func Rounded(scale float32) func(*graph.Graph, graph.Value) graph.Value {
	return func(g *graph.Graph, x graph.Value) graph.Value {
		by := g.Scalar("end/scale", scale)
		q := g.Node("QuantizeLinear", "end/quantized", []graph.Value{x, by}, graph.Uint8, x.Shape)
		return g.Node("DequantizeLinear", "end/rounded", []graph.Value{q, by}, graph.Float32, x.Shape)
	}
}
