package main

import (
	"math"
	"testing"

	"github.com/batchscore/batchscore/models/graph"
	"github.com/batchscore/batchscore/models/graph/graphtest"
	"github.com/batchscore/batchscore/models/graph/onnxpb"
)

// tiny returns the path of a small model for ONNX Runtime.
func tiny(t testing.TB, o graphtest.Options) string {
	t.Helper()
	needRuntime(t)
	return graphtest.Write(t, o)
}

// slow returns a model whose chunks take long enough for a test to interfere.
func slow(t *testing.T) string { return tiny(t, graphtest.Options{Size: 128, Work: 12}) }

// softmaxOf returns the softmax of x among the raw scores of a coloured image.
func softmaxOf(x float64) float64 { return math.Exp(x) / (math.Exp(4) + 2*math.Exp(-4) + 1) }

// axesAttribute returns the attribute "axes" of an operator.
func axesAttribute(v ...int64) *onnxpb.AttributeProto {
	name := "axes"
	return &onnxpb.AttributeProto{Name: &name, Type: onnxpb.AttributeProto_INTS.Enum(), Ints: v}
}

// appendOperator returns a function that appends an operator to the raw scores, with
// an output of type to and of this shape.
func appendOperator(op string, to graph.DType, shape []int64, attributes ...*onnxpb.AttributeProto) func(*graph.Graph, graph.Value) graph.Value {
	return func(g *graph.Graph, x graph.Value) graph.Value {
		return g.Node(op, "end/"+op, []graph.Value{x}, to, shape, attributes...)
	}
}
