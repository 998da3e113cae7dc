package graph

import "math"

// Relu6 is min(max(x, 0), 6).
func (g *Graph) Relu6(name string, x Value) Value {
	return g.Node("Clip", name, []Value{x, g.Scalar(name+"/least", 0), g.Scalar(name+"/most", 6)}, x.Type, x.Shape)
}

// Sigmoid is 1/(1+exp(-x)).
func (g *Graph) Sigmoid(name string, x Value) Value {
	return g.Node("Sigmoid", name, []Value{x}, x.Type, x.Shape)
}

// HardSigmoid is x/6 + 1/2 within 0..1, as in PyTorch. ONNX's own default has another slope.
func (g *Graph) HardSigmoid(name string, x Value) Value {
	return g.Node("HardSigmoid", name, []Value{x}, x.Type, x.Shape, float("alpha", 1./6), float("beta", 0.5))
}

// HardSwish is x times HardSigmoid of x.
func (g *Graph) HardSwish(name string, x Value) Value {
	return g.Node("HardSwish", name, []Value{x}, x.Type, x.Shape)
}

// SiLU is x times Sigmoid of x, also called swish.
func (g *Graph) SiLU(name string, x Value) Value {
	return g.Mul(name, x, g.Sigmoid(name+"/gate", x))
}

// GELU is x times the standard normal distribution function of x: x/2 * (1 + erf(x/sqrt(2))).
// The operators are in the form that ONNX Runtime computes as one.
func (g *Graph) GELU(name string, x Value) Value {
	erf := g.Div(name+"/scaled", x, g.Scalar(name+"/root", math.Sqrt2))
	erf = g.Node("Erf", name+"/erf", []Value{erf}, x.Type, x.Shape)
	sum := g.Add(name+"/sum", erf, g.Scalar(name+"/one", 1))
	product := g.Mul(name+"/product", x, sum)
	return g.Mul(name, product, g.Scalar(name+"/half", 0.5))
}
