package onnxfile_test

import (
	"testing"

	"github.com/batchscore/batchscore/models/onnxfile"
)

// Each case leads from the result "raw" of a matrix product to the output. "w" is a weight.
func TestEnding(t *testing.T) {
	for name, c := range map[string]struct {
		end     func(s *sketch) string
		op      string
		batch   bool
		product bool
		sigmoid bool
		index   bool
	}{
		"product":          {end: func(*sketch) string { return "raw" }, op: "MatMul", product: true},
		"bias":             {end: func(s *sketch) string { return s.node("Add", "y", []string{"raw", "w"}) }, op: "MatMul", product: true},
		"two biases":       {end: func(s *sketch) string { return s.chain("raw", "Add w", "Add w") }, op: "Add"},
		"reshaped product": {end: func(s *sketch) string { return s.chain("raw", "Identity", "Cast", "Squeeze") }, op: "MatMul", product: true},
		"other operator":   {end: func(s *sketch) string { return s.chain("raw", "Relu") }, op: "Relu"},
		"clipped product":  {end: func(s *sketch) string { return s.chain("raw", "Clip") }, op: "Clip"},
		"softmax":          {end: func(s *sketch) string { return s.chain("raw", "Softmax") }, op: "Softmax"},
		"clipped softmax":  {end: func(s *sketch) string { return s.chain("raw", "Softmax", "Clip") }, op: "Softmax"},
		"biased softmax":   {end: func(s *sketch) string { return s.chain("raw", "Softmax", "Add w") }, op: "Add"},
		"log softmax":      {end: func(s *sketch) string { return s.chain("raw", "LogSoftmax") }, op: "LogSoftmax"},
		"log of a softmax": {end: func(s *sketch) string { return s.chain("raw", "Softmax", "Log") }, op: "LogSoftmax"},
		"log of a product": {end: func(s *sketch) string { return s.chain("raw", "Log") }, op: "Log"},
		"softmax over the batch": {end: func(s *sketch) string {
			return s.node("Softmax", "y", []string{"raw"}, number("axis", 0))
		}, op: "Softmax", batch: true},
		"softmax in three operators": {end: func(s *sketch) string {
			s.node("Exp", "exp", []string{"raw"})
			s.node("ReduceSum", "sum", []string{"exp"})
			return s.node("Div", "y", []string{"exp", "sum"})
		}, op: "Softmax"},
		"quotient of other sums": {end: func(s *sketch) string {
			s.node("Exp", "exp", []string{"raw"})
			s.node("ReduceSum", "sum", []string{"raw"})
			return s.node("Div", "y", []string{"exp", "sum"})
		}, op: "Div"},
		"sigmoid":      {end: func(s *sketch) string { return s.chain("raw", "Sigmoid") }, op: "Sigmoid", sigmoid: true},
		"hard sigmoid": {end: func(s *sketch) string { return s.chain("raw", "HardSigmoid") }, op: "HardSigmoid", sigmoid: true},
		"sigmoid as a quotient": {end: func(s *sketch) string {
			s.node("Add", "sum", []string{"w", s.chain("raw", "Neg", "Exp")})
			return s.node("Div", "y", []string{"w", "sum"})
		}, op: "Sigmoid", sigmoid: true},
		"sigmoid as a quotient of exponentials": {end: func(s *sketch) string {
			exp := s.chain("raw", "Exp")
			s.node("Add", "sum", []string{exp, "w"})
			return s.node("Div", "y", []string{exp, "sum"})
		}, op: "Sigmoid", sigmoid: true},
		"sigmoid as a reciprocal": {end: func(s *sketch) string {
			s.node("Add", "sum", []string{s.chain("raw", "Neg", "Exp"), "w"})
			return s.node("Reciprocal", "y", []string{"sum"})
		}, op: "Sigmoid", sigmoid: true},
		"reciprocal of a product": {end: func(s *sketch) string { return s.chain("raw", "Reciprocal") }, op: "Reciprocal"},
		"class numbers":           {end: func(s *sketch) string { return s.chain("raw", "ArgMax") }, op: "ArgMax", index: true},
		"8-bit softmax":           {end: func(s *sketch) string { return s.chain("raw", "QLinearSoftmax", "DequantizeLinear") }, op: "Softmax"},
		"constant":                {end: func(*sketch) string { return "w" }, op: ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := &sketch{}
			s.Input = append(s.Input, s.port("x", -1, 1))
			s.float("w", 1)
			s.node("MatMul", "raw", []string{"x", s.float("weights", 1, 10)})
			out := c.end(s)
			s.Output = append(s.Output, s.port(out, -1, 10))
			f := s.read(t)
			e := f.Ending(f.Outputs[0])
			if e.Op != c.op || e.OverBatch != c.batch || e.Width != 10 {
				t.Errorf("Ending() = %+v, want operator %q, over the batch %v, width 10", e, c.op, c.batch)
			}
			if e.IsProduct() != c.product || e.IsSigmoid() != c.sigmoid || e.IsIndex() != c.index {
				t.Errorf("Ending() = %q: product %v, sigmoid %v, index %v; want %v, %v, %v",
					e, e.IsProduct(), e.IsSigmoid(), e.IsIndex(), c.product, c.sigmoid, c.index)
			}
		})
	}
}

func TestEndingString(t *testing.T) {
	for want, e := range map[string]onnxfile.Ending{
		"ends in no operator that tells":  {},
		"ends in a matrix product (Gemm)": {Op: "Gemm"},
		"ends in Relu":                    {Op: "Relu"},
		"ends in Softmax over the images of a batch, not over the classes": {Op: "Softmax", OverBatch: true},
	} {
		if got := e.String(); got != want {
			t.Errorf("%+v.String() = %q, want %q", e, got, want)
		}
	}
}
