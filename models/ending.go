package models

import (
	"fmt"
	"strings"
)

// ending is what the last operators before an output tell about its rows.
type ending struct {
	// op is the last operator that changes a score; empty where none is found.
	op string
	// batch reports whether a softmax spans the images of a batch, not the classes.
	batch bool
	// width of a row; -1 where the graph does not say.
	width int64
}

// transparent are operators that leave a row's scores as they are, but for
// rounding: their first operand.
var transparent = map[string]bool{
	"Identity": true, "Cast": true, "Reshape": true, "Flatten": true, "Squeeze": true, "Unsqueeze": true, "Dropout": true,
	"QuantizeLinear": true, "DequantizeLinear": true,
}

// endings are the operators that say something, by what they are called here.
var endings = map[string]string{
	"Softmax": "Softmax", "QLinearSoftmax": "Softmax", "LogSoftmax": "LogSoftmax",
	"Sigmoid": "Sigmoid", "QLinearSigmoid": "Sigmoid", "HardSigmoid": "HardSigmoid",
	"Gemm": "Gemm", "MatMul": "MatMul", "FusedGemm": "Gemm", "FusedMatMul": "MatMul", "QGemm": "Gemm",
	"MatMulInteger": "MatMul", "QLinearMatMul": "MatMul", "DynamicQuantizeMatMul": "MatMul", "MatMulIntegerToFloat": "MatMul",
}

// product reports whether it is the ending that a classifier's last dense layer has, and an
// embedding's and a regression's too.
func (e ending) product() bool { return e.op == "Gemm" || e.op == "MatMul" }

func (e ending) sigmoid() bool { return e.op == "Sigmoid" || e.op == "HardSigmoid" }

// numbers reports whether the output is numbers of classes, and no scores.
func (e ending) numbers() bool {
	return e.op == "ArgMax" || e.op == "ArgMin" || e.op == "TopK" || e.op == "NonMaxSuppression"
}

// ending finds how the output of that name ends.
func (h *header) ending(output tensorInfo) ending {
	e := ending{width: -1}
	if n := len(output.shape); n > 0 {
		e.width = output.shape[n-1]
	}
	maker := map[string]*node{}
	for i := range h.nodes {
		for _, out := range h.nodes[i].outputs {
			maker[out] = &h.nodes[i]
		}
	}
	name, added := output.name, false
	for range h.nodes {
		n := maker[name]
		if n == nil || len(n.inputs) == 0 {
			return e
		}
		switch {
		case transparent[n.op]:
			name = n.inputs[0]
			continue
		case n.op == "Add" && !added:
			// The bias of a product: one operand is a weight.
			var made []string
			for _, in := range n.inputs {
				if !isWeight(maker, in) {
					made = append(made, in)
				}
			}
			if len(made) == 1 {
				name, added = made[0], true
				continue
			}
		case n.op == "Clip" && !added:
			// Scores that are kept from 0 and 1 by a hair. Of others, it is a layer.
			if before := maker[n.inputs[0]]; before != nil && endings[before.op] != "" && !(ending{op: endings[before.op]}).product() {
				name = n.inputs[0]
				continue
			}
		case n.op == "Log" && !added:
			if before := maker[n.inputs[0]]; before != nil && endings[before.op] == "Softmax" {
				e.op, e.batch = "LogSoftmax", h.overBatch(before, len(output.shape))
				return e
			}
		case n.op == "Div" && len(n.inputs) == 2 && !added:
			// A softmax in three operators.
			over, under := maker[n.inputs[0]], maker[n.inputs[1]]
			if over != nil && over.op == "Exp" && under != nil && under.op == "ReduceSum" && under.inputs[0] == n.inputs[0] {
				e.op = "Softmax"
				return e
			}
			if logistic(maker, over, under, n.inputs) {
				e.op = "Sigmoid"
				return e
			}
		case n.op == "Reciprocal" && !added:
			if logistic(maker, nil, maker[n.inputs[0]], []string{"", n.inputs[0]}) {
				e.op = "Sigmoid"
				return e
			}
		}
		e.op = n.op
		if known := endings[n.op]; known != "" {
			e.op = known
		}
		if added && !e.product() {
			e.op = "Add"
		}
		if e.op == "Softmax" || e.op == "LogSoftmax" {
			e.batch = h.overBatch(n, len(output.shape))
		}
		return e
	}
	return e
}

// logistic reports whether a quotient is a sigmoid in several operators: 1/(1+exp(-x))
// or exp(x)/(1+exp(x)). over and under make its operands.
func logistic(maker map[string]*node, over, under *node, operands []string) bool {
	if under == nil || under.op != "Add" || len(under.inputs) != 2 {
		return false
	}
	for i, in := range under.inputs {
		exp := maker[in]
		if exp == nil || exp.op != "Exp" || !isWeight(maker, under.inputs[1-i]) {
			continue
		}
		return over == exp || isWeight(maker, operands[0])
	}
	return false
}

// isWeight reports whether a value is a weight, or made of one.
func isWeight(maker map[string]*node, name string) bool {
	for range 8 {
		n := maker[name]
		if n == nil || n.op == "Constant" {
			return true
		}
		if !transparent[n.op] || len(n.inputs) == 0 {
			return false
		}
		name = n.inputs[0]
	}
	return false
}

// overBatch reports whether a softmax runs over the first axis. Its operand has
// that many axes if nothing else is known of it.
func (h *header) overBatch(n *node, rank int) bool {
	if s := infer(h).in(n, 0); s != nil {
		rank = len(s)
	}
	axis := int64(-1)
	if h.opset < 13 {
		axis = 1
	}
	axis = n.integer("axis", axis)
	return axis == 0 || axis == -int64(rank)
}

func (e ending) String() string {
	switch {
	case e.op == "":
		return "ends in no operator that tells"
	case e.batch:
		return "ends in " + e.op + " over the images of a batch, not over the classes"
	case e.product():
		return "ends in a matrix product (" + e.op + ")"
	}
	return "ends in " + e.op
}

// tells is what the output's rows are, where the ending leaves no doubt.
func (e ending) tells() Activation {
	switch {
	case e.width == 1 || e.batch:
		return ""
	case e.op == "Softmax":
		return Probabilities
	case e.op == "LogSoftmax":
		return Logits // a softmax makes probabilities of their logarithms
	case e.sigmoid():
		return Independent
	}
	return ""
}

// overrules reports whether the graph knows better than a preset, which speaks of
// every model of its origin.
func (e ending) overrules(preset Activation) bool {
	own := e.tells()
	return own != "" && own != preset || e.width == 1 || e.batch || e.product() && preset == Probabilities
}

// refuse says why rows of this ending cannot be what somebody says they are;
// nil if they can.
func (e ending) refuse(a Activation, from string) error {
	instead, because := "", ""
	if own := e.tells(); own != "" {
		instead = "say --activation " + string(own)
	}
	switch {
	case e.numbers():
		return fmt.Errorf("its graph %s: its output is numbers of classes, and no score says how likely they are;"+
			" export it without that operator", e)
	case e.width == 1 && (a == Logits || a == Probabilities):
		because, instead = "one score for each image has no others to sum to 1 with; a softmax of it is 1 for every image", oneScore(e)
	case e.op == "Softmax" && !e.batch && (a == Logits || a == Sigmoid):
		because = "they are probabilities already, and to apply " + applied[a] + " again would flatten them"
	case e.op == "LogSoftmax" && !e.batch && a != Logits:
		because = "they are logarithms of probabilities"
	case e.sigmoid() && (a == Logits || a == Probabilities):
		because, instead = "they are independent of one another and do not sum to 1", "say --activation "+string(Independent)
	default:
		return nil
	}
	return fmt.Errorf("its scores cannot be %s (%s): its graph %s, so %s; %s", a, from, e, because, instead)
}

var applied = map[Activation]string{Logits: "a softmax", Sigmoid: "a sigmoid"}

// oneScore is how to answer for a model of one score an image.
func oneScore(e ending) string {
	var ways []string
	if !e.sigmoid() {
		ways = append(ways, fmt.Sprintf("--activation %s (a raw score: a sigmoid is applied)", Sigmoid))
	}
	if !e.product() {
		ways = append(ways, fmt.Sprintf("--activation %s (from 0 to 1 as it is)", Independent))
	}
	return "say " + strings.Join(ways, " or ") + ", and --labels FILE with one label, that of the score, or two, those of 0 and of 1"
}

// question asks what the rows are, as far as the ending leaves that open.
func (e ending) question() question {
	if e.width == 1 {
		return question{
			"what is its one score for each image? Its graph " + e.String() + "; a binary classifier's is for the second of two classes",
			strings.TrimPrefix(oneScore(e), "say "),
		}
	}
	ways := []string{
		fmt.Sprintf("--activation %s (one class an image: a softmax is applied)", Logits),
		fmt.Sprintf("--activation %s (any number of classes an image: a sigmoid is applied to each)", Sigmoid),
	}
	if !e.product() {
		ways = append(ways,
			fmt.Sprintf("--activation %s (they sum to 1 as they are)", Probabilities),
			fmt.Sprintf("--activation %s (each from 0 to 1 as it is)", Independent))
	}
	return question{
		"what are its scores? Its graph " + e.String() + "; an embedding or a measurement is none of these, and has no labels",
		strings.Join(ways, "\n      "),
	}
}
