package models

import (
	"slices"
	"strings"
)

// mixed is a shape into which the batch is folded with other axes.
const mixed = -2

// keeping are operators whose result has the batch where their first operand
// has it.
var keeping = set(`Abs AveragePool BatchNormalization Bernoulli Cast Celu Clip Conv ConvInteger ConvTranspose CumSum
	DepthToSpace DequantizeLinear Dropout DynamicQuantizeLinear DynamicQuantizeMatMul Elu Erf Exp FusedConv FusedGemm Gelu Gemm
	GlobalAveragePool GlobalMaxPool GroupNormalization HardSigmoid HardSwish Hardmax Identity InstanceNormalization LRN
	LayerNormalization LeakyRelu Log LogSoftmax LpNormalization LpPool MaxPool MeanVarianceNormalization Mish Neg PRelu Pad
	QGemm QLinearAveragePool QLinearConv QLinearGlobalAveragePool QLinearLeakyRelu QLinearSigmoid QuantizeLinear QuickGelu
	RandomNormalLike RandomUniformLike Reciprocal Relu Resize Selu Sigmoid Sign Slice Softmax Softplus Softsign SpaceToDepth
	Sqrt Tanh ThresholdedRelu Tile TopK Upsample`)

// broadcasting are operators on elements whose operands are aligned at their
// last axes.
var broadcasting = set(`Add And Div Equal Greater GreaterOrEqual Less LessOrEqual Max Mean Min Mod Mul Or Pow QLinearAdd
	QLinearMul Sub Sum Where Xor`)

func set(words string) map[string]bool {
	all := map[string]bool{}
	for _, word := range strings.Fields(words) {
		all[word] = true
	}
	return all
}

// follow is where the batch is in the result of a node, hidden if that is not
// certain.
func (d *mixing) follow(n *node, in string) int {
	batch := d.axis[in]
	switch {
	case batch == hidden:
	case broadcasting[n.op]:
		return d.broadcast(n)
	case n.op == "Gemm" && n.integer("transA", 0) != 0:
	case keeping[n.op] && n.inputs[0] == in:
		return batch
	case n.op == "Transpose":
		return slices.Index(n.ints["perm"], int64(batch)) // hidden if it is not there
	case n.op == "Reshape":
		return max(d.reshape(n, in), hidden)
	case n.op == "Flatten" && batch == 0 && d.axisOf(n, in, 1) > 0:
		return 0
	case n.op == "Squeeze" || n.op == "Unsqueeze":
		return d.squeeze(n, in)
	case reductions[n.op] || n.op == "ArgMax" || n.op == "ArgMin":
		return d.reduce(n, in)
	case n.op == "MatMul" || n.op == "MatMulInteger" || n.op == "QLinearMatMul":
		return d.product(n, in)
	case n.op == "Concat" || n.op == "Split" || n.op == "QLinearConcat":
		if d.axisOf(n, in, 0) != batch && !slices.ContainsFunc(n.inputs, func(other string) bool {
			at, ok := d.axis[other]
			return ok && at != batch
		}) {
			return batch
		}
	case n.op == "Gather" && n.inputs[0] == in:
		switch along := d.axisOf(n, in, 0); {
		case along > batch:
			return batch
		case along < batch:
			if len(n.inputs) > 1 && d.of[n.inputs[1]] != nil {
				return batch - 1 + len(d.of[n.inputs[1]])
			}
		}
	}
	return hidden
}

// reshape is where a Reshape puts the batch, hidden, or mixed.
func (d *mixing) reshape(n *node, in string) int {
	if d.axis[in] != 0 {
		return hidden
	}
	from, known := d.of[in]
	to, ok := d.constant(n, 1, "shape")
	if !ok {
		// Computed, for one image or for the one batch that the graph takes.
		if to, ok = d.of[n.outputs[0]]; ok && known && len(to) > 0 && len(from) > 0 && to[0] == from[0] {
			return 0
		}
		return hidden
	}
	if len(to) == 0 {
		return hidden
	}
	switch first := to[0]; {
	case first == 0:
		return 0
	case first < 0 && known && len(from) > 0:
		rest := slices.Clone(to[1:])
		for i, size := range rest {
			if size == 0 && i+1 < len(from) {
				rest[i] = from[i+1]
			}
		}
		if product(rest) == product(from[1:]) {
			return 0
		}
	case first > 0 && slices.Contains(to, -1):
		switch {
		case !d.whole:
			return mixed
		case known && len(from) > 0 && first == from[0]:
			return 0
		case known && len(from) > 0 && from[0] > 0 && first%from[0] != 0:
			return mixed
		}
	}
	return hidden
}

// broadcast is where the batch is in the result of an operator on elements.
func (d *mixing) broadcast(n *node) int {
	rank := 0
	for _, in := range n.inputs {
		rank = max(rank, len(d.of[in]))
	}
	batch := hidden
	for _, in := range n.inputs {
		at, carries := d.axis[in]
		if !carries {
			continue
		}
		if shape, ok := d.of[in]; ok && at != hidden {
			at += rank - len(shape)
		}
		if at == hidden || batch != hidden && at != batch {
			return hidden
		}
		batch = at
	}
	return batch
}

// squeeze is where the batch is once axes are taken out or put in.
func (d *mixing) squeeze(n *node, in string) int {
	batch := d.axis[in]
	axes, ok := d.constant(n, 1, "axes")
	if !ok && n.op == "Squeeze" && len(n.inputs) == 1 && batch == 0 {
		return 0 // all axes of one element, of which the batch is none
	}
	shape, known := d.of[in]
	if !ok || !known {
		return hidden
	}
	rank := int64(len(shape))
	if n.op == "Unsqueeze" {
		rank += int64(len(axes))
	}
	axes = slices.Clone(axes)
	for i, a := range axes {
		if a < 0 {
			axes[i] = a + rank
		}
	}
	slices.Sort(axes)
	at := int64(batch)
	for _, a := range axes {
		switch {
		case n.op == "Unsqueeze" && a <= at:
			at++
		case n.op == "Squeeze" && a == int64(batch):
			return hidden
		case n.op == "Squeeze" && a < int64(batch):
			at--
		}
	}
	return int(at)
}

// reduce is where the batch is once others of the axes are reduced.
func (d *mixing) reduce(n *node, in string) int {
	axes, batch := d.reduced(n, in), d.axis[in]
	if axes == nil {
		return hidden
	}
	at := batch
	for _, a := range axes {
		switch {
		case a < 0 || int(a) == batch:
			return hidden
		case int(a) < batch && n.integer("keepdims", 1) == 0:
			at--
		}
	}
	return at
}

// product is where the batch is in a product of matrices.
func (d *mixing) product(n *node, in string) int {
	batch := d.axis[in]
	for i, other := range n.inputs {
		at, carries := d.axis[other]
		if !carries {
			continue
		}
		shape, known := d.of[other]
		switch {
		case at != batch || other != n.inputs[0] && i == 0:
			return hidden
		case known && i == 0 && at < len(shape)-1, known && at < len(shape)-2, !known && i == 0 && at == 0:
		default:
			return hidden
		}
	}
	return batch
}
