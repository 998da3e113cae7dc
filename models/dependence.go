package models

import (
	"fmt"
	"slices"

	"github.com/batchscore/batchscore/models/graph/onnxpb"
)

// Dependence is operators of a graph by which the row of an image depends on
// more than its own pixels.
type Dependence struct {
	// Operator says which, and in which form: "Softmax over the batch".
	Operator string `json:"operator"`
	// Node is the name of the first one's output.
	Node  string `json:"node"`
	Count int    `json:"count"`
	// Chance reports whether rows change from run to run; else they depend on the
	// other images of the batch.
	Chance bool `json:"chance,omitempty"`
	// Unsure reports whether ONNX Runtime may leave the operators out.
	Unsure bool `json:"unsure,omitempty"`
	// Remedy says how to make a model without.
	Remedy string `json:"remedy"`
}

// String says what the operators do to rows, and what to do about it.
func (d Dependence) String() string {
	what := "scores of an image depend on the other images of its batch"
	if d.Chance {
		what = "scores change from run to run"
	}
	if d.Unsure {
		what = "scores may change from run to run"
	}
	times := ""
	if d.Count > 1 {
		times = fmt.Sprintf(", %d times", d.Count)
	}
	return fmt.Sprintf("%s by %s (at %q%s): %s", what, d.Operator, d.Node, times, d.Remedy)
}

// What to do about the operators that make rows depend on one another.
const (
	inEvaluation = "export the model in evaluation mode (model.eval() before torch.onnx.export, training=False in Keras)"
	byStatic     = "quantise the float32 model statically instead (batchscore models convert --precision int8 --calibrate DIR)"
	alongRows    = "export it again with that operator along the classes, not along the first axis, which is the batch"
	keepBatch    = "export it again with shapes that keep the first axis, which is the batch"
	noChance     = "export the model in evaluation mode, without random operators"
)

// dependences finds the operators of a graph that mix the images of a batch,
// or that are random. It claims nothing that it does not see: a mixture within
// a function, a branch or a loop is not found.
func dependences(h *header) []Dependence {
	inputs := h.realInputs()
	d := mixing{shapes: infer(h), fixed: map[string][]int64{}, axis: map[string]int{}}
	for _, t := range h.tensors {
		d.fixed[t.name] = t.values
	}
	for _, in := range inputs {
		d.axis[in.name] = 0
	}
	if len(inputs) > 0 && len(inputs[0].shape) > 0 {
		d.whole, d.alone = inputs[0].shape[0] > 0, inputs[0].shape[0] == 1
	}
	for i := range h.nodes {
		d.visit(&h.nodes[i])
	}
	return d.found
}

// mixing follows the axis of the batch through a graph.
type mixing struct {
	*shapes
	fixed map[string][]int64 // the elements of constants that are shapes
	// axis is where the batch is in the values that are made of images; hidden
	// where that is not known. Other values are not in it.
	axis map[string]int
	// whole reports whether the graph takes one batch size only, alone that it is 1.
	whole, alone bool
	found        []Dependence
}

// hidden is the axis of a batch that was lost sight of.
const hidden = -1

func (d *mixing) add(n *node, operator, remedy string, chance bool) {
	if d.alone && !chance {
		return
	}
	for i := range d.found {
		if d.found[i].Operator == operator {
			d.found[i].Count++
			return
		}
	}
	name := ""
	if len(n.outputs) > 0 {
		name = n.outputs[0]
	}
	d.found = append(d.found, Dependence{
		Operator: operator, Node: name, Count: 1, Chance: chance, Unsure: operator == dropout, Remedy: remedy,
	})
}

// visit names a node that mixes images, and sets where the batch is in what it
// makes.
func (d *mixing) visit(n *node) {
	if n.op == "Constant" && len(n.outputs) == 1 {
		d.fixed[n.outputs[0]] = n.ints["value_ints"]
		if n.value != nil {
			d.fixed[n.outputs[0]] = n.value.values
		}
		return
	}
	own := n.domain == "" || n.domain == "ai.onnx" || n.domain == "com.microsoft"
	if own && randomOps[n.op] {
		d.add(n, n.op, noChance, true)
	}
	if own && n.op == "Dropout" && len(n.inputs) > 2 && slices.Equal(d.fixed[n.inputs[2]], []int64{1}) {
		d.add(n, dropout, noChance, true)
	}
	first, carries := d.first(n)
	if !carries || len(n.outputs) == 0 || own && sizeOnly[n.op] {
		return
	}
	axis := hidden
	if own {
		d.blame(n, first)
		axis = d.follow(n, first)
	}
	for _, out := range n.outputs {
		d.axis[out] = axis
	}
}

// first is the first operand that is made of images.
func (d *mixing) first(n *node) (string, bool) {
	for _, in := range n.inputs {
		if _, ok := d.axis[in]; ok {
			return in, true
		}
	}
	return "", false
}

// blame names a node that mixes the images in its operand.
func (d *mixing) blame(n *node, in string) {
	batch := d.axis[in]
	switch {
	case n.op == "BatchNormalization" && (n.integer("training_mode", 0) == 1 || len(n.outputs) > 1):
		d.add(n, "BatchNormalization in training mode", inEvaluation, false)
	case dynamicOps[n.op]:
		d.add(n, n.op+" (dynamic quantisation)", byStatic, false)
	case batch == hidden:
	case n.op == "Reshape" && d.reshape(n, in) == mixed, n.op == "Flatten" && d.axisOf(n, in, 1) <= batch:
		d.add(n, n.op+" of the batch into other axes", keepBatch, false)
	case slices.Contains(d.reduced(n, in), int64(batch)), n.op == "MatMul" && d.contracts(n):
		d.add(n, n.op+" over the batch", alongRows, false)
	}
}

// randomOps give another result at every run.
var randomOps = set("RandomNormal RandomNormalLike RandomUniform RandomUniformLike Bernoulli Multinomial")

// dropout is left out by ONNX Runtime in most places, but not in all.
const dropout = "Dropout in training mode"

// dynamicOps choose the scale of their operand from all of its elements.
var dynamicOps = set("DynamicQuantizeLinear DynamicQuantizeMatMul DynamicQuantizeLSTM")

// sizeOnly are operators whose result is the same for all images.
var sizeOnly = set("Shape Size ConstantOfShape")

// reductions are operators over the axes of an attribute or an operand, all of
// them where none is named.
var reductions = set(`ReduceMean ReduceSum ReduceMax ReduceMin ReduceProd ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp
	ReduceSumSquare`)

// alongAxis are operators along one axis, with what it is by default.
var alongAxis = map[string]int64{
	"Softmax": -1, "LogSoftmax": -1, "Hardmax": -1, "LpNormalization": -1, "TopK": -1, "ArgMax": 0, "ArgMin": 0, "Gather": 0,
}

// reduced are the axes of the operand that are mixed; none where that is not
// known.
func (d *mixing) reduced(n *node, in string) []int64 {
	shape, known := d.of[in]
	rank := int64(len(shape))
	var axes []int64
	switch def, along := alongAxis[n.op]; {
	case reductions[n.op]:
		var ok bool
		if axes, ok = d.constant(n, 1, "axes"); !ok {
			if len(n.inputs) > 1 && n.inputs[1] != "" || n.integer("noop_with_empty_axes", 0) == 1 {
				return nil
			}
			return []int64{int64(d.axis[in])} // all
		}
	case n.op == "MeanVarianceNormalization":
		axes = []int64{0, 2, 3}
		if v, ok := n.ints["axes"]; ok {
			axes = v
		}
	case n.op == "CumSum":
		axes, _ = d.constant(n, 1, "")
	case n.op == "LayerNormalization":
		for a := d.axisOf(n, in, -1); a >= 0 && a <= d.axis[in]; a++ {
			axes = append(axes, int64(a))
		}
	case along && n.op == "Gather" && n.inputs[0] != in:
	case along && d.opset > 0 && d.opset < 13 && (n.op == "Softmax" || n.op == "LogSoftmax" || n.op == "Hardmax"):
		// Over all axes from that one on.
		if d.axisOf(n, in, 1) <= d.axis[in] {
			return []int64{int64(d.axis[in])}
		}
	case along:
		axes = []int64{n.integer("axis", def)}
	}
	axes = slices.Clone(axes)
	for i, a := range axes {
		if a < 0 && known {
			axes[i] = a + rank
		}
	}
	return axes
}

// axisOf is the attribute axis as a number from 0 on; past every axis where the
// rank that it counts from is not known.
func (d *mixing) axisOf(n *node, in string, def int64) int {
	a := n.integer("axis", def)
	if a < 0 {
		shape, ok := d.of[in]
		if !ok {
			return 1 << 20
		}
		a += int64(len(shape))
	}
	return int(a)
}

// constant is the elements of an attribute, or of an operand that is a constant.
func (d *mixing) constant(n *node, operand int, attribute string) ([]int64, bool) {
	if v, ok := n.ints[attribute]; ok {
		return v, true
	}
	if operand < len(n.inputs) && d.fixed[n.inputs[operand]] != nil {
		return d.fixed[n.inputs[operand]], true
	}
	return nil, false
}

// contracts reports whether a product sums over the images.
func (d *mixing) contracts(n *node) bool {
	for i, in := range n.inputs {
		batch, ok := d.axis[in]
		shape, known := d.of[in]
		if ok && known && batch != hidden && i < 2 && batch == max(len(shape)-1-i, 0) && len(shape) > 1 {
			return true
		}
	}
	return false
}

// half reports whether some weights of a graph are float16 or bfloat16.
func half(h *header) bool {
	return slices.ContainsFunc(h.tensors, func(t tensor) bool {
		return t.elem == int32(onnxpb.TensorProto_FLOAT16) || t.elem == int32(onnxpb.TensorProto_BFLOAT16)
	})
}
