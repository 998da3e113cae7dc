package models

import "testing"

func TestComputesInt8(t *testing.T) {
	for _, test := range []struct {
		name string
		ops  []string
		want bool
	}{
		{name: "float32", ops: []string{"Conv", "Relu", "Gemm"}, want: false},
		{name: "quantised on the way", ops: []string{"QuantizeLinear", "DequantizeLinear", "Conv"}, want: true},
		{name: "operators of 8 bits", ops: []string{"QLinearConv", "Relu"}, want: true},
		{name: "a domain's own", ops: []string{"QGemm"}, want: true},
		{name: "quantised by what it sees", ops: []string{"DynamicQuantizeLinear", "MatMulInteger"}, want: true},
		{name: "only stored in 8 bits", ops: []string{"DequantizeLinear", "Conv"}, want: false},
	} {
		t.Run(test.name, func(t *testing.T) {
			var h header
			for _, op := range test.ops {
				h.nodes = append(h.nodes, node{op: op})
			}
			if got := h.computesInt8(); got != test.want {
				t.Errorf("%v: %v, want %v", test.ops, got, test.want)
			}
		})
	}
}
