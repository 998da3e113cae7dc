package models

import (
	"slices"
	"strings"
)

// int8Operators multiply integers of 8 bits, besides those whose names begin
// with QLinear, or turn floats into them.
var int8Operators = []string{
	"QuantizeLinear", "DynamicQuantizeLinear", "DynamicQuantizeMatMul", "DynamicQuantizeLSTM",
	"MatMulInteger", "MatMulIntegerToFloat", "ConvInteger", "QGemm", "QAttention",
}

// computesInt8 reports whether the graph has operators that compute in 8 bits.
// One that only stores its weights so, and computes in floats, has none.
func (h *header) computesInt8() bool {
	return slices.ContainsFunc(h.nodes, func(n node) bool {
		return strings.HasPrefix(n.op, "QLinear") || slices.Contains(int8Operators, n.op)
	})
}
