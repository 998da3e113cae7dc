package onnxfile

import (
	"slices"
	"strings"

	"github.com/batchscore/batchscore/models/graph/onnxpb"
)

// int8Operators multiply 8-bit integers or turn floats into them, besides the
// operators whose names begin with QLinear.
var int8Operators = []string{
	"QuantizeLinear", "DynamicQuantizeLinear", "DynamicQuantizeMatMul", "DynamicQuantizeLSTM",
	"MatMulInteger", "MatMulIntegerToFloat", "ConvInteger", "QGemm", "QAttention",
}

// ComputesInt8 reports whether the graph has operators that compute in 8 bits.
// A graph that only stores its weights in 8 bits and computes in floats has
// none.
func (f *File) ComputesInt8() bool {
	return slices.ContainsFunc(f.Nodes, func(n Node) bool {
		return strings.HasPrefix(n.Op, "QLinear") || slices.Contains(int8Operators, n.Op)
	})
}

// PadsMaxima reports whether the graph has both a Pad and a MaxPool, or may have them in a
// function or in a branch, which File does not hold.
func (f *File) PadsMaxima() bool {
	has := func(ops ...string) bool {
		return slices.ContainsFunc(f.Nodes, func(n Node) bool { return slices.Contains(ops, n.Op) })
	}
	return f.functions || has("If", "Loop", "Scan", "SequenceMap") || has("Pad") && has("MaxPool")
}

// HasHalfWeights reports whether some of the weights are float16 or bfloat16.
func (f *File) HasHalfWeights() bool {
	return slices.ContainsFunc(f.Weights, func(t Tensor) bool {
		return t.Elem == onnxpb.TensorProto_FLOAT16 || t.Elem == onnxpb.TensorProto_BFLOAT16
	})
}
