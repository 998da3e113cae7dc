package onnxfile

import (
	"testing"
)

func TestComputesInt8(t *testing.T) {
	for _, test := range []struct {
		name string
		ops  []string
		want bool
	}{
		{name: "float32", ops: []string{"Conv", "Relu", "Gemm"}, want: false},
		{name: "quantised between layers", ops: []string{"QuantizeLinear", "DequantizeLinear", "Conv"}, want: true},
		{name: "8-bit operators", ops: []string{"QLinearConv", "Relu"}, want: true},
		{name: "operator of another domain", ops: []string{"QGemm"}, want: true},
		{name: "quantised dynamically", ops: []string{"DynamicQuantizeLinear", "MatMulInteger"}, want: true},
		{name: "only stored in 8 bits", ops: []string{"DequantizeLinear", "Conv"}, want: false},
	} {
		t.Run(test.name, func(t *testing.T) {
			var f File
			for _, op := range test.ops {
				f.Nodes = append(f.Nodes, Node{Op: op})
			}
			if got := f.ComputesInt8(); got != test.want {
				t.Errorf("ComputesInt8() of %v = %v, want %v", test.ops, got, test.want)
			}
		})
	}
}

func TestPadsMaxima(t *testing.T) {
	for _, test := range []struct {
		name string
		file File
		want bool
	}{
		{name: "neither", file: File{Nodes: []Node{{Op: "Conv"}}}, want: false},
		{name: "pad alone", file: File{Nodes: []Node{{Op: "Pad"}, {Op: "Conv"}}}, want: false},
		{name: "maxima alone", file: File{Nodes: []Node{{Op: "MaxPool"}}}, want: false},
		{name: "both", file: File{Nodes: []Node{{Op: "Pad"}, {Op: "Identity"}, {Op: "MaxPool"}}}, want: true},
		{name: "in a branch", file: File{Nodes: []Node{{Op: "If"}}}, want: true},
		{name: "in a function", file: File{functions: true}, want: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := test.file.PadsMaxima(); got != test.want {
				t.Errorf("PadsMaxima() = %v, want %v", got, test.want)
			}
		})
	}
}
