package models

import (
	"io"
	"slices"

	"github.com/batchscore/batchscore/models/graph/onnxpb"
)

// shapes propagates sizes through a graph for one image, and counts the
// multiply-adds of its products on the way. Of what it does not know it says
// so: the sizes of a value are nil, never a guess.
type shapes struct {
	of     map[string][]int64
	ints   map[string][]int64 // the elements of small integer values: shapes
	opset  int64
	macs   int64
	opaque map[string]int // operators whose work could not be counted
}

// Sizes works out the sizes of a graph's values for one image, or for the one
// batch that the graph takes, by their names. What is not known is left out.
// The model is size bytes; errors about its content wrap ErrModel.
func Sizes(model io.Reader, size int64) (map[string][]int64, error) {
	h, err := walkHeader(model, size)
	if err != nil {
		return nil, err
	}
	return infer(h).of, nil
}

// infer runs over the nodes in their order, which ONNX demands to be that of
// the data flow.
func infer(h *header) *shapes {
	s := &shapes{
		of: map[string][]int64{}, ints: map[string][]int64{},
		opset: h.opset, opaque: map[string]int{},
	}
	for _, t := range h.tensors {
		s.of[t.name] = t.dims
		if t.dims == nil {
			s.of[t.name] = []int64{}
		}
		if t.values != nil {
			s.ints[t.name] = t.values
		}
	}
	for _, in := range h.realInputs() {
		shape := slices.Clone(in.shape)
		if len(shape) > 0 && shape[0] < 0 {
			shape[0] = 1
		}
		if !slices.Contains(shape, -1) {
			s.of[in.name] = shape
		}
	}
	for i := range h.nodes {
		s.visit(&h.nodes[i])
	}
	return s
}

// visit sets the sizes of a node's first output.
func (s *shapes) visit(n *node) {
	if len(n.outputs) == 0 {
		return
	}
	// An operator of another domain may have any meaning but those known.
	var shape []int64
	if n.domain == "" || n.domain == "ai.onnx" || contribOps[n.op] {
		s.fold(n)
		if f := rules[n.op]; f != nil {
			shape = f(s, n)
		}
	}
	if slices.ContainsFunc(shape, func(d int64) bool { return d < 0 }) {
		shape = nil
	}
	if shape != nil && product(shape) >= 0 {
		s.of[n.outputs[0]] = shape
	} else {
		shape = nil
	}
	switch work := products[n.op]; {
	case work != nil:
		macs := int64(-1)
		if shape != nil {
			macs = product(append(slices.Clone(shape), work(s, n)))
		}
		if macs < 0 || s.macs+macs < 0 {
			s.opaque[n.op]++
			return
		}
		s.macs += macs
	case rules[n.op] == nil && !shapeless[n.op]:
		s.opaque[n.op]++
	}
}

// in is the sizes of an operand; nil if unknown or left out.
func (s *shapes) in(n *node, i int) []int64 {
	if i >= len(n.inputs) || n.inputs[i] == "" {
		return nil
	}
	return s.of[n.inputs[i]]
}

// list is the elements of an integer operand, or of the attribute that was
// there before it became an operand; ok is false when they are not known.
func (s *shapes) list(n *node, i int, attribute string) (v []int64, ok bool) {
	if v, ok = n.ints[attribute]; ok {
		return v, true
	}
	if i >= len(n.inputs) || n.inputs[i] == "" {
		return nil, false
	}
	v, ok = s.ints[n.inputs[i]]
	return v, ok
}

// contribOps are operators of ONNX Runtime's own domain whose sizes are known.
var contribOps = map[string]bool{
	"QLinearAdd": true, "QLinearMul": true, "QLinearConcat": true, "QLinearLeakyRelu": true, "QLinearSigmoid": true,
	"QLinearAveragePool": true, "QLinearGlobalAveragePool": true, "QGemm": true,
	"FusedConv": true, "FusedGemm": true, "Gelu": true, "QuickGelu": true,
	"QuantizeLinear": true, "DequantizeLinear": true,
}

// shapeless are operators that multiply nothing, and whose sizes matter only
// where fold finds their elements.
var shapeless = map[string]bool{
	"Slice": true, "Gather": true, "Range": true, "Expand": true, "ConstantOfShape": true, "Split": true, "Where": true,
	"Resize": true, "Upsample": true, "ArgMax": true, "TopK": true, "NonMaxSuppression": true, "DynamicQuantizeLinear": true,
}

// products are the operators that are counted: the multiply-adds of one element
// of their output.
var products = map[string]func(*shapes, *node) int64{
	"Conv": convWork(1), "FusedConv": convWork(1), "ConvInteger": convWork(1), "QLinearConv": convWork(3),
	"Gemm": gemmWork, "FusedGemm": gemmWork, "QGemm": gemmWork,
	"MatMul": matMulWork, "MatMulInteger": matMulWork, "QLinearMatMul": matMulWork,
	"ConvTranspose": func(*shapes, *node) int64 { return -1 },
	"Einsum":        func(*shapes, *node) int64 { return -1 },
	"LSTM":          func(*shapes, *node) int64 { return -1 },
	"GRU":           func(*shapes, *node) int64 { return -1 },
	"Attention":     func(*shapes, *node) int64 { return -1 },
}

// convWork is the size of one filter, which the groups have already cut.
func convWork(weights int) func(*shapes, *node) int64 {
	return func(s *shapes, n *node) int64 {
		w := s.in(n, weights)
		if len(w) < 3 {
			return -1
		}
		return product(w[1:])
	}
}

func gemmWork(s *shapes, n *node) int64 {
	a := s.in(n, 0)
	if len(a) != 2 {
		return -1
	}
	return a[1-n.integer("transA", 0)&1]
}

func matMulWork(s *shapes, n *node) int64 {
	a := s.in(n, 0)
	if len(a) == 0 {
		return -1
	}
	return a[len(a)-1]
}

// rules give the sizes of an operator's first output.
var rules map[string]func(*shapes, *node) []int64

func init() {
	rules = map[string]func(*shapes, *node) []int64{
		"Conv": conv(0, 1), "FusedConv": conv(0, 1), "ConvInteger": conv(0, 1), "QLinearConv": conv(0, 3),
		"MaxPool": pool, "AveragePool": pool, "LpPool": pool, "QLinearAveragePool": pool,
		"GlobalAveragePool": globalPool, "GlobalMaxPool": globalPool, "GlobalLpPool": globalPool, "QLinearGlobalAveragePool": globalPool,
		"Gemm": gemm(0, 1), "FusedGemm": gemm(0, 1), "QGemm": gemm(0, 3),
		"MatMul": matMul(0, 1), "MatMulInteger": matMul(0, 1), "QLinearMatMul": matMul(0, 3),
		"QLinearAdd": broadcast(0, 3), "QLinearMul": broadcast(0, 3),
		"Concat": concat, "Flatten": flatten, "Reshape": reshape, "Transpose": transpose,
		"Squeeze": squeeze, "Unsqueeze": unsqueeze, "Pad": pad,
		"Constant": constant, "Shape": shapeOf,
	}
	for _, op := range []string{"ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceL2"} {
		rules[op] = reduce
	}
	for _, op := range []string{
		"Abs", "BatchNormalization", "Cast", "CastLike", "Ceil", "Celu", "Clip", "DequantizeLinear", "Dropout", "Elu", "Erf",
		"Exp", "Floor", "Gelu", "HardSigmoid", "HardSwish", "Identity", "InstanceNormalization", "LRN", "LayerNormalization",
		"LeakyRelu", "Log", "LogSoftmax", "LpNormalization", "Mish", "Neg", "Not", "PRelu", "QLinearLeakyRelu",
		"QLinearSigmoid", "QuantizeLinear", "QuickGelu", "Reciprocal", "Relu", "Round", "Selu", "Sigmoid", "Sign", "Softmax",
		"Softplus", "Softsign", "Sqrt", "Tanh", "ThresholdedRelu",
	} {
		rules[op] = func(s *shapes, n *node) []int64 { return s.in(n, 0) }
	}
	for _, op := range []string{"Add", "Sub", "Mul", "Div", "Pow", "Max", "Min", "Mean", "Sum", "Equal", "Greater", "Less"} {
		rules[op] = func(s *shapes, n *node) []int64 {
			shape := s.in(n, 0)
			for i := range n.inputs {
				shape = spread(shape, s.in(n, i))
			}
			return shape
		}
	}
}

// spread is the sizes of two operands broadcast to one another.
func spread(a, b []int64) []int64 {
	if a == nil || b == nil {
		return nil
	}
	if len(a) < len(b) {
		a, b = b, a
	}
	shape := slices.Clone(a)
	for i, d := range b {
		at := len(a) - len(b) + i
		switch {
		case shape[at] == 1:
			shape[at] = d
		case d != 1 && d != shape[at]:
			return nil
		}
	}
	return shape
}

func broadcast(a, b int) func(*shapes, *node) []int64 {
	return func(s *shapes, n *node) []int64 { return spread(s.in(n, a), s.in(n, b)) }
}

func conv(x, weights int) func(*shapes, *node) []int64 {
	return func(s *shapes, n *node) []int64 {
		in, w := s.in(n, x), s.in(n, weights)
		if len(in) < 3 || len(w) != len(in) {
			return nil
		}
		return slide(n, in, w[0], w[2:])
	}
}

func pool(s *shapes, n *node) []int64 {
	in, kernel := s.in(n, 0), n.ints["kernel_shape"]
	if len(in) < 3 || len(kernel) != len(in)-2 {
		return nil
	}
	return slide(n, in, in[1], kernel)
}

// slide is the sizes after a kernel slid over in.
func slide(n *node, in []int64, channels int64, kernel []int64) []int64 {
	axes := len(kernel)
	strides, dilations, pads := n.ints["strides"], n.ints["dilations"], n.ints["pads"]
	if strides != nil && len(strides) != axes || dilations != nil && len(dilations) != axes || pads != nil && len(pads) != 2*axes {
		return nil
	}
	shape := []int64{in[0], channels}
	for i, k := range kernel {
		stride, extent, padding := int64(1), k, int64(0)
		if strides != nil {
			stride = strides[i]
		}
		if dilations != nil {
			extent = (k-1)*dilations[i] + 1
		}
		if pads != nil {
			padding = pads[i] + pads[i+axes]
		}
		if stride < 1 || extent < 1 || padding < 0 {
			return nil
		}
		var out int64
		switch n.texts["auto_pad"] {
		case "SAME_UPPER", "SAME_LOWER":
			out = (in[2+i] + stride - 1) / stride
		default:
			room := in[2+i] + padding - extent
			if n.texts["auto_pad"] == "VALID" {
				room = in[2+i] - extent
			}
			if room < 0 {
				return nil
			}
			out = room/stride + 1
			if n.integer("ceil_mode", 0) != 0 && room%stride != 0 {
				// A window that would begin in the padding at the end is left out.
				begin := int64(0)
				if pads != nil {
					begin = pads[i]
				}
				if out*stride < in[2+i]+begin {
					out++
				}
			}
		}
		shape = append(shape, out)
	}
	return shape
}

func globalPool(s *shapes, n *node) []int64 {
	in := s.in(n, 0)
	if len(in) < 3 {
		return nil
	}
	shape := []int64{in[0], in[1]}
	for range in[2:] {
		shape = append(shape, 1)
	}
	return shape
}

func gemm(x, y int) func(*shapes, *node) []int64 {
	return func(s *shapes, n *node) []int64 {
		a, b := s.in(n, x), s.in(n, y)
		if len(a) != 2 || len(b) != 2 {
			return nil
		}
		ta, tb := n.integer("transA", 0)&1, n.integer("transB", 0)&1
		if a[1-ta] != b[tb] {
			return nil
		}
		return []int64{a[ta], b[1-tb]}
	}
}

func matMul(x, y int) func(*shapes, *node) []int64 {
	return func(s *shapes, n *node) []int64 {
		a, b := s.in(n, x), s.in(n, y)
		if len(a) < 2 || len(b) < 2 || a[len(a)-1] != b[len(b)-2] {
			return nil
		}
		batch := spread(a[:len(a)-2], b[:len(b)-2])
		if batch == nil {
			return nil
		}
		return append(batch, a[len(a)-2], b[len(b)-1])
	}
}

func concat(s *shapes, n *node) []int64 {
	var shape []int64
	for i := range n.inputs {
		in := s.in(n, i)
		at := axis(n.integer("axis", 0), len(in))
		if in == nil || at < 0 || i > 0 && len(in) != len(shape) {
			return nil
		}
		if i == 0 {
			shape = slices.Clone(in)
			continue
		}
		shape[at] += in[at]
	}
	return shape
}

// axis counts from the end where it is negative; -1 is out of bounds.
func axis(a int64, rank int) int {
	if a < 0 {
		a += int64(rank)
	}
	if a < 0 || a >= int64(rank) {
		return -1
	}
	return int(a)
}

func flatten(s *shapes, n *node) []int64 {
	in := s.in(n, 0)
	at := n.integer("axis", 1)
	if at < 0 {
		at += int64(len(in))
	}
	if in == nil || at < 0 || at > int64(len(in)) {
		return nil
	}
	return []int64{product(in[:at]), product(in[at:])}
}

func reshape(s *shapes, n *node) []int64 {
	in := s.in(n, 0)
	to, ok := s.list(n, 1, "shape")
	if in == nil || !ok {
		return nil
	}
	shape, rest, open := slices.Clone(to), product(in), -1
	for i, d := range shape {
		switch {
		case d == -1 && open < 0:
			open = i
			continue
		case d == 0 && i < len(in) && n.integer("allowzero", 0) == 0:
			shape[i] = in[i]
		}
		if shape[i] <= 0 || rest%shape[i] != 0 {
			return nil
		}
		rest /= shape[i]
	}
	switch {
	case open >= 0:
		shape[open] = rest
	case rest != 1:
		return nil
	}
	return shape
}

func transpose(s *shapes, n *node) []int64 {
	in, perm := s.in(n, 0), n.ints["perm"]
	if in == nil || perm != nil && len(perm) != len(in) {
		return nil
	}
	shape := slices.Clone(in)
	for i := range in {
		from := len(in) - 1 - i
		if perm != nil {
			if from = axis(perm[i], len(in)); from < 0 {
				return nil
			}
		}
		shape[i] = in[from]
	}
	return shape
}

func squeeze(s *shapes, n *node) []int64 {
	in := s.in(n, 0)
	axes, ok := s.list(n, 1, "axes")
	if in == nil || !ok && len(n.inputs) > 1 {
		return nil
	}
	drop := make([]bool, len(in))
	for _, a := range axes {
		at := axis(a, len(in))
		if at < 0 {
			return nil
		}
		drop[at] = true
	}
	shape := []int64{}
	for i, d := range in {
		if !drop[i] && (ok || d != 1) {
			shape = append(shape, d)
		}
	}
	return shape
}

func unsqueeze(s *shapes, n *node) []int64 {
	in := s.in(n, 0)
	axes, ok := s.list(n, 1, "axes")
	if in == nil || !ok {
		return nil
	}
	added := make([]bool, len(in)+len(axes))
	for _, a := range axes {
		at := axis(a, len(added))
		if at < 0 || added[at] {
			return nil
		}
		added[at] = true
	}
	shape := []int64{}
	for _, one := range added {
		if one {
			shape = append(shape, 1)
			continue
		}
		shape, in = append(shape, in[0]), in[1:]
	}
	return shape
}

func pad(s *shapes, n *node) []int64 {
	in := s.in(n, 0)
	pads, ok := s.list(n, 1, "pads")
	if in == nil || !ok || len(pads) != 2*len(in) || len(n.inputs) > 3 {
		return nil
	}
	shape := slices.Clone(in)
	for i := range shape {
		shape[i] += pads[i] + pads[i+len(in)]
	}
	return shape
}

func reduce(s *shapes, n *node) []int64 {
	in := s.in(n, 0)
	axes, ok := s.list(n, 1, "axes")
	if in == nil || !ok && len(n.inputs) > 1 {
		return nil
	}
	gone := make([]bool, len(in))
	for i := range gone {
		gone[i] = !ok
	}
	for _, a := range axes {
		at := axis(a, len(in))
		if at < 0 {
			return nil
		}
		gone[at] = true
	}
	shape := []int64{}
	for i, d := range in {
		switch {
		case !gone[i]:
			shape = append(shape, d)
		case n.integer("keepdims", 1) != 0:
			shape = append(shape, 1)
		}
	}
	return shape
}

func constant(_ *shapes, n *node) []int64 {
	switch {
	case n.value != nil && n.value.dims == nil:
		return []int64{}
	case n.value != nil:
		return n.value.dims
	case n.ints["value_ints"] != nil:
		return []int64{int64(len(n.ints["value_ints"]))}
	}
	return []int64{}
}

func shapeOf(s *shapes, n *node) []int64 {
	if in := s.in(n, 0); in != nil {
		return []int64{int64(len(in))}
	}
	return nil
}

// fold computes the elements of shapes, as exporters compute them for a batch
// of any size.
func (s *shapes) fold(n *node) {
	operand := func(i int) []int64 {
		if i >= len(n.inputs) {
			return nil
		}
		return s.ints[n.inputs[i]]
	}
	var v []int64
	switch n.op {
	case "Constant":
		switch {
		case n.value != nil:
			v = n.value.values
		case n.ints["value_ints"] != nil:
			v = n.ints["value_ints"]
		case n.ints["value_int"] != nil:
			v = n.ints["value_int"]
		}
	case "Shape":
		if n.ints["start"] == nil && n.ints["end"] == nil {
			v = s.in(n, 0)
		}
	case "Identity", "Squeeze", "Unsqueeze":
		v = operand(0)
	case "Cast":
		if to := n.integer("to", 0); to == int64(onnxpb.TensorProto_INT64) || to == int64(onnxpb.TensorProto_INT32) {
			v = operand(0)
		}
	case "Concat":
		for i := range n.inputs {
			part := operand(i)
			if part == nil {
				v = nil
				break
			}
			v = append(v, part...)
		}
	case "Gather":
		from := operand(0)
		for _, i := range operand(1) {
			at := axis(i, len(from))
			if at < 0 || n.integer("axis", 0) != 0 {
				v = nil
				break
			}
			v = append(v, from[at])
		}
		if v != nil {
			s.of[n.outputs[0]] = s.in(n, 1)
		}
	case "Slice":
		from, first, last := operand(0), operand(1), operand(2)
		if len(first) == 1 && len(last) == 1 && len(from) > 0 && len(n.inputs) <= 4 {
			size := int64(len(from))
			lo, hi := first[0], last[0]
			if lo < 0 {
				lo += size
			}
			if hi < 0 {
				hi += size
			}
			if lo, hi = max(lo, 0), min(hi, size); lo < hi {
				v = from[lo:hi]
				s.of[n.outputs[0]] = []int64{hi - lo}
			}
		}
	}
	if v != nil && len(v) <= maxShape {
		s.ints[n.outputs[0]] = v
	}
}
