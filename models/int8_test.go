package models

import "testing"

func TestComputesInt8(t *testing.T) {
	for _, test := range []struct {
		name string
		ops  []string
		want bool
	}{
		{"float32", []string{"Conv", "Relu", "Gemm"}, false},
		{"quantised on the way", []string{"QuantizeLinear", "DequantizeLinear", "Conv"}, true},
		{"operators of 8 bits", []string{"QLinearConv", "Relu"}, true},
		{"a domain's own", []string{"QGemm"}, true},
		{"quantised by what it sees", []string{"DynamicQuantizeLinear", "MatMulInteger"}, true},
		{"only stored in 8 bits", []string{"DequantizeLinear", "Conv"}, false},
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
