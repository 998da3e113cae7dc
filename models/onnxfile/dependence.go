package onnxfile

import (
	"fmt"
	"slices"
)

// Dependence is an operator by which the row of an image depends on more than
// the image's own pixels, and how often it occurs.
type Dependence struct {
	// Operator names the operator and its form: "Softmax over the batch".
	Operator string `json:"operator"`
	// Node is the name of the first output of the first one.
	Node  string `json:"node"`
	Count int    `json:"count"`
	// Chance reports whether rows change from run to run. Otherwise they depend
	// on the other images of the batch.
	Chance bool `json:"chance,omitempty"`
	// Unsure reports whether ONNX Runtime may leave the operators out.
	Unsure bool `json:"unsure,omitempty"`
	// Remedy says how to make a model without them.
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

// Remedies for operators that make rows depend on one another.
const (
	inEvaluation = "export the model in evaluation mode (model.eval() before torch.onnx.export, training=False in Keras)"
	byStatic     = "quantise the float32 model statically instead (batchscore models convert --precision int8 --calibrate DIR)"
	alongRows    = "export it again with that operator along the classes, not along the first axis, which is the batch"
	keepBatch    = "export it again with shapes that keep the first axis, which is the batch"
	noChance     = "export the model in evaluation mode, without random operators"
)

// Dependences finds the operators of the graph that mix the images of a batch,
// or that are random. It reports only what is certain, and does not look into
// functions, branches and loops.
func (f *File) Dependences() []Dependence {
	d := dependenceFinder{Shapes: f.Shapes(), constants: map[string][]int64{}, axis: map[string]int{}}
	for _, t := range f.Weights {
		d.constants[t.Name] = t.values
	}
	for _, in := range f.Inputs {
		d.axis[in.Name] = 0
	}
	if len(f.Inputs) > 0 && len(f.Inputs[0].Shape) > 0 {
		d.fixed, d.single = f.Inputs[0].Shape[0] > 0, f.Inputs[0].Shape[0] == 1
	}
	for i := range f.Nodes {
		d.visitNode(&f.Nodes[i])
	}
	return d.found
}

// dependenceFinder follows the axis of the batch through a graph.
type dependenceFinder struct {
	*Shapes
	constants map[string][]int64 // the elements of constants that may be shapes
	// axis is the batch's axis in each value that is computed from images; lost
	// where it is not known. Other values have no entry.
	axis map[string]int
	// fixed reports whether the graph accepts one batch size only, single
	// whether that size is 1.
	fixed, single bool
	found         []Dependence
}

// lost is the axis of a batch that can no longer be followed.
const lost = -1

func (d *dependenceFinder) add(n *Node, operator, remedy string, chance bool) {
	if d.single && !chance {
		return
	}
	for i := range d.found {
		if d.found[i].Operator == operator {
			d.found[i].Count++
			return
		}
	}
	name := ""
	if len(n.Outputs) > 0 {
		name = n.Outputs[0]
	}
	d.found = append(d.found, Dependence{
		Operator: operator, Node: name, Count: 1, Chance: chance, Unsure: operator == dropout, Remedy: remedy,
	})
}

// visitNode records a node that mixes images or is random, and sets the batch's
// axis in its outputs.
func (d *dependenceFinder) visitNode(n *Node) {
	if n.Op == "Constant" && len(n.Outputs) == 1 {
		d.constants[n.Outputs[0]] = n.Ints["value_ints"]
		if n.Value != nil {
			d.constants[n.Outputs[0]] = n.Value.values
		}
		return
	}
	known := isONNX(n.Domain) || n.Domain == "com.microsoft"
	if known && randomOps[n.Op] {
		d.add(n, n.Op, noChance, true)
	}
	if known && n.Op == "Dropout" && len(n.Inputs) > 2 && slices.Equal(d.constants[n.Inputs[2]], []int64{1}) {
		d.add(n, dropout, noChance, true)
	}
	in, ok := d.imageOperand(n)
	if !ok || len(n.Outputs) == 0 || known && sizeOnly[n.Op] {
		return
	}
	axis := lost
	if known {
		d.checkMixing(n, in)
		axis = d.outputAxis(n, in)
	}
	for _, out := range n.Outputs {
		d.axis[out] = axis
	}
}

// imageOperand returns the first operand that is computed from images.
func (d *dependenceFinder) imageOperand(n *Node) (string, bool) {
	for _, in := range n.Inputs {
		if _, ok := d.axis[in]; ok {
			return in, true
		}
	}
	return "", false
}

// checkMixing records a node that mixes the images in its operand in.
func (d *dependenceFinder) checkMixing(n *Node, in string) {
	batch := d.axis[in]
	switch {
	case n.Op == "BatchNormalization" && (n.Int("training_mode", 0) == 1 || len(n.Outputs) > 1):
		d.add(n, "BatchNormalization in training mode", inEvaluation, false)
	case dynamicOps[n.Op]:
		d.add(n, n.Op+" (dynamic quantisation)", byStatic, false)
	case batch == lost:
	case n.Op == "Reshape" && d.reshapeAxis(n, in) == mixed, n.Op == "Flatten" && d.axisOf(n, in, 1) <= batch:
		d.add(n, n.Op+" of the batch into other axes", keepBatch, false)
	case slices.Contains(d.reduced(n, in), int64(batch)), n.Op == "MatMul" && d.contractsBatch(n):
		d.add(n, n.Op+" over the batch", alongRows, false)
	}
}

// randomOps give another result in every run.
var randomOps = set("RandomNormal RandomNormalLike RandomUniform RandomUniformLike Bernoulli Multinomial")

// ONNX Runtime leaves dropout out in most places, but not in all.
const dropout = "Dropout in training mode"

// dynamicOps choose the scale of their operand from all of its elements.
var dynamicOps = set("DynamicQuantizeLinear DynamicQuantizeMatMul DynamicQuantizeLSTM")

// sizeOnly are operators whose result is the same for all images.
var sizeOnly = set("Shape Size ConstantOfShape")

// reductions reduce the axes that an attribute or an operand lists, or all axes
// if neither does.
var reductions = set(`ReduceMean ReduceSum ReduceMax ReduceMin ReduceProd ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp
	ReduceSumSquare`)

// alongAxis are operators along one axis, with the default of that axis.
var alongAxis = map[string]int64{
	"Softmax": -1, "LogSoftmax": -1, "Hardmax": -1, "LpNormalization": -1, "TopK": -1, "ArgMax": 0, "ArgMin": 0, "Gather": 0,
}

// reduced returns the axes of the operand in that a node mixes; none where that
// is not known.
func (d *dependenceFinder) reduced(n *Node, in string) []int64 {
	shape, known := d.sizes[in]
	rank := int64(len(shape))
	var axes []int64
	switch def, along := alongAxis[n.Op]; {
	case reductions[n.Op]:
		var ok bool
		if axes, ok = d.constant(n, 1, "axes"); !ok {
			if len(n.Inputs) > 1 && n.Inputs[1] != "" || n.Int("noop_with_empty_axes", 0) == 1 {
				return nil
			}
			return []int64{int64(d.axis[in])} // all axes, among them the batch
		}
	case n.Op == "MeanVarianceNormalization":
		axes = []int64{0, 2, 3}
		if v, ok := n.Ints["axes"]; ok {
			axes = v
		}
	case n.Op == "CumSum":
		axes, _ = d.constant(n, 1, "")
	case n.Op == "LayerNormalization":
		for a := d.axisOf(n, in, -1); a >= 0 && a <= d.axis[in]; a++ {
			axes = append(axes, int64(a))
		}
	case along && n.Op == "Gather" && n.Inputs[0] != in:
	case along && d.opset > 0 && d.opset < 13 && (n.Op == "Softmax" || n.Op == "LogSoftmax" || n.Op == "Hardmax"):
		// In these operator sets it covers that axis and all after it.
		if d.axisOf(n, in, 1) <= d.axis[in] {
			return []int64{int64(d.axis[in])}
		}
	case along:
		axes = []int64{n.Int("axis", def)}
	}
	axes = slices.Clone(axes)
	for i, a := range axes {
		if a < 0 && known {
			axes[i] = a + rank
		}
	}
	return axes
}

// axisOf returns the attribute axis counted from 0, or a number larger than any
// axis where it counts from the end of an unknown shape.
func (d *dependenceFinder) axisOf(n *Node, in string, def int64) int {
	a := n.Int("axis", def)
	if a < 0 {
		shape, ok := d.sizes[in]
		if !ok {
			return 1 << 20
		}
		a += int64(len(shape))
	}
	return int(a)
}

// constant returns the elements of an attribute, or of a constant operand.
func (d *dependenceFinder) constant(n *Node, operand int, attribute string) ([]int64, bool) {
	if v, ok := n.Ints[attribute]; ok {
		return v, true
	}
	if operand < len(n.Inputs) && d.constants[n.Inputs[operand]] != nil {
		return d.constants[n.Inputs[operand]], true
	}
	return nil, false
}

// contractsBatch reports whether a matrix product sums over the images.
func (d *dependenceFinder) contractsBatch(n *Node) bool {
	for i, in := range n.Inputs {
		batch, ok := d.axis[in]
		shape, known := d.sizes[in]
		if ok && known && batch != lost && i < 2 && batch == max(len(shape)-1-i, 0) && len(shape) > 1 {
			return true
		}
	}
	return false
}
