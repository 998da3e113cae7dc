package onnxfile

// Ending is what the last operators before an output tell about its rows.
type Ending struct {
	// Op is the last operator that changes a score; empty if none is found.
	Op string
	// OverBatch reports whether Op is a softmax over the images of a batch
	// instead of the classes.
	OverBatch bool
	// Width of a row; -1 where the graph does not say.
	Width int64
}

// transparent are operators that do not change a row's scores, except by
// rounding. The scores are their first operand.
var transparent = set("Identity Cast Reshape Flatten Squeeze Unsqueeze Dropout QuantizeLinear DequantizeLinear")

// endings maps the operators that tell something to the names used here.
var endings = map[string]string{
	"Softmax": "Softmax", "QLinearSoftmax": "Softmax", "LogSoftmax": "LogSoftmax",
	"Sigmoid": "Sigmoid", "QLinearSigmoid": "Sigmoid", "HardSigmoid": "HardSigmoid",
	"Gemm": "Gemm", "MatMul": "MatMul", "FusedGemm": "Gemm", "FusedMatMul": "MatMul", "QGemm": "Gemm",
	"MatMulInteger": "MatMul", "QLinearMatMul": "MatMul", "DynamicQuantizeMatMul": "MatMul", "MatMulIntegerToFloat": "MatMul",
}

// IsProduct reports whether the graph ends in a matrix product, as that of a
// classifier without softmax does, and that of an embedding or a regression.
func (e Ending) IsProduct() bool { return e.Op == "Gemm" || e.Op == "MatMul" }

// IsSigmoid reports whether each score is the result of a sigmoid.
func (e Ending) IsSigmoid() bool { return e.Op == "Sigmoid" || e.Op == "HardSigmoid" }

// IsIndex reports whether the output holds the numbers of classes, not scores.
func (e Ending) IsIndex() bool {
	return e.Op == "ArgMax" || e.Op == "ArgMin" || e.Op == "TopK" || e.Op == "NonMaxSuppression"
}

func (e Ending) String() string {
	switch {
	case e.Op == "":
		return "ends in no operator that tells"
	case e.OverBatch:
		return "ends in " + e.Op + " over the images of a batch, not over the classes"
	case e.IsProduct():
		return "ends in a matrix product (" + e.Op + ")"
	}
	return "ends in " + e.Op
}

// Ending finds how the given output ends. Its shape may be more precise than
// the declared one.
func (f *File) Ending(output ValueInfo) Ending {
	e := Ending{Width: -1}
	rank := len(output.Shape)
	if rank > 0 {
		e.Width = output.Shape[rank-1]
	}
	g := f.producers()
	name, added := output.Name, false
	for range f.Nodes {
		n := g[name]
		if n == nil || len(n.Inputs) == 0 {
			return e
		}
		if before, bias, ok := g.scoresBefore(n, added); ok {
			name, added = before, added || bias
			continue
		}
		e.Op = n.Op
		if known := endings[n.Op]; known != "" {
			e.Op = known
		}
		switch {
		case added && !e.IsProduct():
			e.Op = "Add"
		case added:
		case n.Op == "Log" && g.endsIn(n.Inputs[0], "Softmax"):
			e.Op, n = "LogSoftmax", g[n.Inputs[0]]
		case g.isSoftmaxQuotient(n):
			e.Op = "Softmax"
			return e
		case g.isLogistic(n):
			e.Op = "Sigmoid"
		}
		if e.Op == "Softmax" || e.Op == "LogSoftmax" {
			e.OverBatch = f.overBatch(n, rank)
		}
		return e
	}
	return e
}

// scoresBefore returns the operand of n that holds the same scores as its
// result, and whether n adds a bias to them; ok is false where n changes the
// scores. added tells that a bias was added after n.
func (g producers) scoresBefore(n *Node, added bool) (name string, bias, ok bool) {
	switch {
	case transparent[n.Op]:
		return n.Inputs[0], false, true
	case added:
	case n.Op == "Add":
		// One operand may be the bias of a matrix product.
		var computed []string
		for _, in := range n.Inputs {
			if !g.isWeight(in) {
				computed = append(computed, in)
			}
		}
		if len(computed) == 1 {
			return computed[0], true, true
		}
	case n.Op == "Clip":
		// Clipping keeps the scores of a softmax or a sigmoid from being exactly 0
		// or 1. After a matrix product it is a layer.
		if before := g[n.Inputs[0]]; before != nil && endings[before.Op] != "" && !(Ending{Op: endings[before.Op]}).IsProduct() {
			return n.Inputs[0], false, true
		}
	}
	return "", false, false
}

// endsIn reports whether the named value is the result of that kind of operator.
func (g producers) endsIn(name, ending string) bool {
	return g[name] != nil && endings[g[name].Op] == ending
}

// isSoftmaxQuotient reports whether n is the last of the three operators of
// exp(x)/sum(exp(x)).
func (g producers) isSoftmaxQuotient(n *Node) bool {
	if n.Op != "Div" || len(n.Inputs) != 2 {
		return false
	}
	over, under := g[n.Inputs[0]], g[n.Inputs[1]]
	return over != nil && over.Op == "Exp" && under != nil && under.Op == "ReduceSum" &&
		len(under.Inputs) > 0 && under.Inputs[0] == n.Inputs[0]
}

// isLogistic reports whether n is the last operator of a sigmoid in several:
// 1/(1+exp(-x)) or exp(x)/(1+exp(x)).
func (g producers) isLogistic(n *Node) bool {
	var over, under string
	switch {
	case n.Op == "Div" && len(n.Inputs) == 2:
		over, under = n.Inputs[0], n.Inputs[1]
	case n.Op == "Reciprocal":
		under = n.Inputs[0]
	default:
		return false
	}
	sum := g[under]
	if sum == nil || sum.Op != "Add" || len(sum.Inputs) != 2 {
		return false
	}
	for i, in := range sum.Inputs {
		exp := g[in]
		if exp != nil && exp.Op == "Exp" && g.isWeight(sum.Inputs[1-i]) {
			return g[over] == exp || g.isWeight(over)
		}
	}
	return false
}

// isWeight reports whether a value is a weight, or computed from one alone.
func (g producers) isWeight(name string) bool {
	for range 8 {
		n := g[name]
		if n == nil || n.Op == "Constant" {
			return true
		}
		if !transparent[n.Op] || len(n.Inputs) == 0 {
			return false
		}
		name = n.Inputs[0]
	}
	return false
}

// overBatch reports whether a softmax runs over the first axis. rank is that of
// its operand where nothing else is known.
func (f *File) overBatch(n *Node, rank int) bool {
	if s := f.Shapes().in(n, 0); s != nil {
		rank = len(s)
	}
	axis := int64(-1)
	if f.Opset < 13 {
		axis = 1
	}
	axis = n.Int("axis", axis)
	return axis == 0 || axis == -int64(rank)
}
