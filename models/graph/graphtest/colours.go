package graphtest

import (
	"github.com/batchscore/batchscore/models/graph"
	"github.com/batchscore/batchscore/models/graph/onnxpb"
)

// Pixels is how to prepare images for Colours, as flags say it.
var Pixels = []string{"--resize", "pillow-nearest", "--fit", "stretch", "--bgr=false", "--scale", "1/255"}

// Colours is a model without a contract, of float images [N,3,8,8] in 0 to 1,
// whose raw scores can be worked out: of the mean red, green and blue 8 times
// what it is above a half, and 0 for the fourth class. A red image has 4, -4,
// -4, 0. It keeps the first classes alone, 1 to 4 of them. End goes from the raw
// scores [N,classes] to the output; without it they are the output.
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

// Op adds an operator of one operand that leaves the shape as it is.
func Op(op string, attributes ...*onnxpb.AttributeProto) func(*graph.Graph, graph.Value) graph.Value {
	return func(g *graph.Graph, x graph.Value) graph.Value {
		return g.Node(op, "end/"+op, []graph.Value{x}, x.Type, x.Shape, attributes...)
	}
}

// Axis is the attribute of that name.
func Axis(axis int64) *onnxpb.AttributeProto {
	name := "axis"
	return &onnxpb.AttributeProto{Name: &name, Type: onnxpb.AttributeProto_INT.Enum(), I: &axis}
}

// Chain is one ending behind the other.
func Chain(ends ...func(*graph.Graph, graph.Value) graph.Value) func(*graph.Graph, graph.Value) graph.Value {
	return func(g *graph.Graph, x graph.Value) graph.Value {
		for _, end := range ends {
			x = end(g, x)
		}
		return x
	}
}

// Times multiplies by a number.
func Times(by float32) func(*graph.Graph, graph.Value) graph.Value {
	return func(g *graph.Graph, x graph.Value) graph.Value { return g.Mul("end/times", x, g.Scalar("end/by", by)) }
}

// Rounded is an output of 8 bits: whole multiples of scale.
func Rounded(scale float32) func(*graph.Graph, graph.Value) graph.Value {
	return func(g *graph.Graph, x graph.Value) graph.Value {
		by := g.Scalar("end/scale", scale)
		q := g.Node("QuantizeLinear", "end/quantized", []graph.Value{x, by}, graph.Uint8, x.Shape)
		return g.Node("DequantizeLinear", "end/rounded", []graph.Value{q, by}, graph.Float32, x.Shape)
	}
}
