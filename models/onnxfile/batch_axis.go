package onnxfile

import (
	"slices"
	"strings"
)

// mixed means that a Reshape folds the batch and other axes together.
const mixed = -2

// axisKeeping are operators whose result has the batch on the same axis as their
// first operand.
var axisKeeping = set(`Abs AveragePool BatchNormalization Bernoulli Cast Celu Clip Conv ConvInteger ConvTranspose CumSum
	DepthToSpace DequantizeLinear Dropout DynamicQuantizeLinear DynamicQuantizeMatMul Elu Erf Exp FusedConv FusedGemm Gelu Gemm
	GlobalAveragePool GlobalMaxPool GroupNormalization HardSigmoid HardSwish Hardmax Identity InstanceNormalization LRN
	LayerNormalization LeakyRelu Log LogSoftmax LpNormalization LpPool MaxPool MeanVarianceNormalization Mish Neg PRelu Pad
	QGemm QLinearAveragePool QLinearConv QLinearGlobalAveragePool QLinearLeakyRelu QLinearSigmoid QuantizeLinear QuickGelu
	RandomNormalLike RandomUniformLike Reciprocal Relu Resize Selu Sigmoid Sign Slice Softmax Softplus Softsign SpaceToDepth
	Sqrt Tanh ThresholdedRelu Tile TopK Upsample`)

// broadcasting are elementwise operators, whose operands are aligned at their
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

// outputAxis returns the batch's axis in the result of a node, or lost if it is
// not certain. The node's operand in is computed from images.
func (d *dependenceFinder) outputAxis(n *Node, in string) int {
	batch := d.axis[in]
	switch {
	case batch == lost:
	case broadcasting[n.Op]:
		return d.broadcastAxis(n)
	case n.Op == "Gemm" && n.Int("transA", 0) != 0:
	case axisKeeping[n.Op] && n.Inputs[0] == in:
		return batch
	case n.Op == "Transpose":
		return slices.Index(n.Ints["perm"], int64(batch)) // lost if it is not in there
	case n.Op == "Reshape":
		return max(d.reshapeAxis(n, in), lost)
	case n.Op == "Flatten" && batch == 0 && d.axisOf(n, in, 1) > 0:
		return 0
	case n.Op == "Squeeze" || n.Op == "Unsqueeze":
		return d.squeezeAxis(n, in)
	case reductions[n.Op] || n.Op == "ArgMax" || n.Op == "ArgMin":
		return d.reduceAxis(n, in)
	case n.Op == "MatMul" || n.Op == "MatMulInteger" || n.Op == "QLinearMatMul":
		return d.productAxis(n, in)
	case n.Op == "Concat" || n.Op == "Split" || n.Op == "QLinearConcat":
		if d.axisOf(n, in, 0) != batch && !slices.ContainsFunc(n.Inputs, func(other string) bool {
			at, ok := d.axis[other]
			return ok && at != batch
		}) {
			return batch
		}
	case n.Op == "Gather" && n.Inputs[0] == in:
		switch along := d.axisOf(n, in, 0); {
		case along > batch:
			return batch
		case along < batch:
			if len(n.Inputs) > 1 && d.sizes[n.Inputs[1]] != nil {
				return batch - 1 + len(d.sizes[n.Inputs[1]])
			}
		}
	}
	return lost
}

// reshapeAxis returns the axis to which a Reshape moves the batch, lost or mixed.
func (d *dependenceFinder) reshapeAxis(n *Node, in string) int {
	if d.axis[in] != 0 {
		return lost
	}
	from, known := d.sizes[in]
	to, ok := d.constant(n, 1, "shape")
	if !ok {
		// Computed for one image, or for the one batch that the graph accepts.
		if to, ok = d.sizes[n.Outputs[0]]; ok && known && len(to) > 0 && len(from) > 0 && to[0] == from[0] {
			return 0
		}
		return lost
	}
	if len(to) == 0 {
		return lost
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
		case !d.fixed:
			return mixed
		case known && len(from) > 0 && first == from[0]:
			return 0
		case known && len(from) > 0 && from[0] > 0 && first%from[0] != 0:
			return mixed
		}
	}
	return lost
}

// broadcastAxis returns the batch's axis in the result of an elementwise
// operator.
func (d *dependenceFinder) broadcastAxis(n *Node) int {
	rank := 0
	for _, in := range n.Inputs {
		rank = max(rank, len(d.sizes[in]))
	}
	batch := lost
	for _, in := range n.Inputs {
		at, carries := d.axis[in]
		if !carries {
			continue
		}
		if shape, ok := d.sizes[in]; ok && at != lost {
			at += rank - len(shape)
		}
		if at == lost || batch != lost && at != batch {
			return lost
		}
		batch = at
	}
	return batch
}

// squeezeAxis returns the batch's axis after axes of size 1 are removed or
// inserted.
func (d *dependenceFinder) squeezeAxis(n *Node, in string) int {
	batch := d.axis[in]
	axes, ok := d.constant(n, 1, "axes")
	if !ok && n.Op == "Squeeze" && len(n.Inputs) == 1 && batch == 0 {
		return 0 // removes the axes of size 1, and the batch is not one of them
	}
	shape, known := d.sizes[in]
	if !ok || !known {
		return lost
	}
	rank := int64(len(shape))
	if n.Op == "Unsqueeze" {
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
		case n.Op == "Unsqueeze" && a <= at:
			at++
		case n.Op == "Squeeze" && a == int64(batch):
			return lost
		case n.Op == "Squeeze" && a < int64(batch):
			at--
		}
	}
	return int(at)
}

// reduceAxis returns the batch's axis after other axes are reduced.
func (d *dependenceFinder) reduceAxis(n *Node, in string) int {
	axes, batch := d.reduced(n, in), d.axis[in]
	if axes == nil {
		return lost
	}
	at := batch
	for _, a := range axes {
		switch {
		case a < 0 || int(a) == batch:
			return lost
		case int(a) < batch && n.Int("keepdims", 1) == 0:
			at--
		}
	}
	return at
}

// productAxis returns the batch's axis in a matrix product.
func (d *dependenceFinder) productAxis(n *Node, in string) int {
	batch := d.axis[in]
	for i, other := range n.Inputs {
		at, carries := d.axis[other]
		if !carries {
			continue
		}
		shape, known := d.sizes[other]
		switch {
		case at != batch || other != n.Inputs[0] && i == 0:
			return lost
		case known && i == 0 && at < len(shape)-1, known && at < len(shape)-2, !known && i == 0 && at == 0:
		default:
			return lost
		}
	}
	return batch
}
