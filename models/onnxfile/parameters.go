package onnxfile

// trained are the operands that training learns, by operator.
var trained = map[string][]int{
	"Conv": {1, 2}, "FusedConv": {1, 2}, "ConvTranspose": {1, 2}, "ConvInteger": {1}, "QLinearConv": {3, 8},
	"Gemm": {0, 1, 2}, "FusedGemm": {0, 1, 2}, "QGemm": {3, 6},
	"MatMul": {0, 1}, "MatMulInteger": {0, 1}, "QLinearMatMul": {0, 3},
	"BatchNormalization": {1, 2}, "InstanceNormalization": {1, 2}, "LayerNormalization": {1, 2}, "PRelu": {1},
	"LSTM": {1, 2, 3}, "GRU": {1, 2, 3},
}

// forwarding are operators that a weight may pass, as their first operand,
// before it is used.
var forwarding = set("Identity Cast DequantizeLinear Transpose Reshape Unsqueeze Squeeze")

// Parameters returns the tensors that training learned, each once: weights,
// biases, and the scale and bias of normalisations, without running means and
// variances.
func (f *File) Parameters() []Tensor {
	p := parameterFinder{constants: map[string]Tensor{}, producers: f.producers(), seen: map[string]bool{}}
	for _, t := range f.Weights {
		p.constants[t.Name] = t
	}
	for i := range f.Nodes {
		if n := &f.Nodes[i]; n.Op == "Constant" && n.Value != nil && len(n.Outputs) == 1 {
			p.constants[n.Outputs[0]] = *n.Value
		}
	}
	for i := range f.Nodes {
		n := &f.Nodes[i]
		for _, operand := range trained[n.Op] {
			if operand < len(n.Inputs) {
				p.add(n.Inputs[operand])
			}
		}
		// A bias may be added to a product by an operator of its own.
		if n.Op != "Add" || len(n.Inputs) != 2 {
			continue
		}
		for i, in := range n.Inputs {
			if m := p.producers[in]; m != nil && trained[m.Op] != nil && m.Op != "BatchNormalization" {
				p.add(n.Inputs[1-i])
			}
		}
	}
	return p.found
}

type parameterFinder struct {
	constants map[string]Tensor
	producers producers
	seen      map[string]bool
	found     []Tensor
}

// add records the constant from which the value of that name comes, if there is
// one.
func (p *parameterFinder) add(name string) {
	for range 8 {
		if t, ok := p.constants[name]; ok {
			if !p.seen[name] {
				p.seen[name] = true
				p.found = append(p.found, t)
			}
			return
		}
		n := p.producers[name]
		if n == nil || !forwarding[n.Op] || len(n.Inputs) == 0 {
			return
		}
		name = n.Inputs[0]
	}
}
