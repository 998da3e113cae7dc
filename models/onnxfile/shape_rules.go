package onnxfile

import "slices"

// contribOps are operators of ONNX Runtime's own domain whose sizes are known.
var contribOps = map[string]bool{
	"QLinearAdd": true, "QLinearMul": true, "QLinearConcat": true, "QLinearLeakyRelu": true, "QLinearSigmoid": true,
	"QLinearAveragePool": true, "QLinearGlobalAveragePool": true, "QGemm": true,
	"FusedConv": true, "FusedGemm": true, "Gelu": true, "QuickGelu": true,
	"QuantizeLinear": true, "DequantizeLinear": true,
}

// shapeRules return the sizes of an operator's first output; nil where they are
// not known.
var shapeRules map[string]func(*Shapes, *Node) []int64

func init() {
	shapeRules = map[string]func(*Shapes, *Node) []int64{
		"Conv": conv(0, 1), "FusedConv": conv(0, 1), "ConvInteger": conv(0, 1), "QLinearConv": conv(0, 3),
		"MaxPool": pool, "AveragePool": pool, "LpPool": pool, "QLinearAveragePool": pool,
		"GlobalAveragePool": globalPool, "GlobalMaxPool": globalPool, "GlobalLpPool": globalPool, "QLinearGlobalAveragePool": globalPool,
		"Gemm": gemm(0, 1), "FusedGemm": gemm(0, 1), "QGemm": gemm(0, 3),
		"MatMul": matMul(0, 1), "MatMulInteger": matMul(0, 1), "QLinearMatMul": matMul(0, 3),
		"QLinearAdd": broadcast(0, 3), "QLinearMul": broadcast(0, 3),
		"Concat": concat, "Flatten": flatten, "Reshape": reshape, "Transpose": transpose,
		"Squeeze": squeeze, "Unsqueeze": unsqueeze, "Pad": pad, "Gather": gather,
		"Constant": constant, "Shape": shapeOf,
	}
	for _, op := range []string{"ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceL2"} {
		shapeRules[op] = reduce
	}
	for _, op := range []string{
		"Abs", "BatchNormalization", "Cast", "CastLike", "Ceil", "Celu", "Clip", "DequantizeLinear", "Dropout", "Elu", "Erf",
		"Exp", "Floor", "Gelu", "HardSigmoid", "HardSwish", "Identity", "InstanceNormalization", "LRN", "LayerNormalization",
		"LeakyRelu", "Log", "LogSoftmax", "LpNormalization", "Mish", "Neg", "Not", "PRelu", "QLinearLeakyRelu",
		"QLinearSigmoid", "QuantizeLinear", "QuickGelu", "Reciprocal", "Relu", "Round", "Selu", "Sigmoid", "Sign", "Softmax",
		"Softplus", "Softsign", "Sqrt", "Tanh", "ThresholdedRelu",
	} {
		shapeRules[op] = func(s *Shapes, n *Node) []int64 { return s.in(n, 0) }
	}
	for _, op := range []string{"Add", "Sub", "Mul", "Div", "Pow", "Max", "Min", "Mean", "Sum", "Equal", "Greater", "Less"} {
		shapeRules[op] = func(s *Shapes, n *Node) []int64 {
			shape := s.in(n, 0)
			for i := range n.Inputs {
				shape = spread(shape, s.in(n, i))
			}
			return shape
		}
	}
}

// spread returns the sizes of two operands broadcast to each other; nil where
// one is unknown or they do not fit.
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

func broadcast(a, b int) func(*Shapes, *Node) []int64 {
	return func(s *Shapes, n *Node) []int64 { return spread(s.in(n, a), s.in(n, b)) }
}

func conv(x, weights int) func(*Shapes, *Node) []int64 {
	return func(s *Shapes, n *Node) []int64 {
		in, w := s.in(n, x), s.in(n, weights)
		if len(in) < 3 || len(w) != len(in) {
			return nil
		}
		return slide(n, in, w[0], w[2:])
	}
}

func pool(s *Shapes, n *Node) []int64 {
	in, kernel := s.in(n, 0), n.Ints["kernel_shape"]
	if len(in) < 3 || len(kernel) != len(in)-2 {
		return nil
	}
	return slide(n, in, in[1], kernel)
}

// slide returns the output sizes of a kernel that slides over in.
func slide(n *Node, in []int64, channels int64, kernel []int64) []int64 {
	axes := len(kernel)
	strides, dilations, pads := n.Ints["strides"], n.Ints["dilations"], n.Ints["pads"]
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
		switch n.Texts["auto_pad"] {
		case "SAME_UPPER", "SAME_LOWER":
			out = (in[2+i] + stride - 1) / stride
		default:
			room := in[2+i] + padding - extent
			if n.Texts["auto_pad"] == "VALID" {
				room = in[2+i] - extent
			}
			if room < 0 {
				return nil
			}
			out = room/stride + 1
			if n.Int("ceil_mode", 0) != 0 && room%stride != 0 {
				// A window that would begin in the padding at the end is dropped.
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

func globalPool(s *Shapes, n *Node) []int64 {
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

func gemm(x, y int) func(*Shapes, *Node) []int64 {
	return func(s *Shapes, n *Node) []int64 {
		a, b := s.in(n, x), s.in(n, y)
		if len(a) != 2 || len(b) != 2 {
			return nil
		}
		ta, tb := n.Int("transA", 0)&1, n.Int("transB", 0)&1
		if a[1-ta] != b[tb] {
			return nil
		}
		return []int64{a[ta], b[1-tb]}
	}
}

func matMul(x, y int) func(*Shapes, *Node) []int64 {
	return func(s *Shapes, n *Node) []int64 {
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

func concat(s *Shapes, n *Node) []int64 {
	var shape []int64
	for i := range n.Inputs {
		in := s.in(n, i)
		at := axis(n.Int("axis", 0), len(in))
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

// axis returns the axis that a names, which counts from the end if it is
// negative; -1 if there is none.
func axis(a int64, rank int) int {
	if a < 0 {
		a += int64(rank)
	}
	if a < 0 || a >= int64(rank) {
		return -1
	}
	return int(a)
}

func flatten(s *Shapes, n *Node) []int64 {
	in := s.in(n, 0)
	at := n.Int("axis", 1)
	if at < 0 {
		at += int64(len(in))
	}
	if in == nil || at < 0 || at > int64(len(in)) {
		return nil
	}
	return []int64{product(in[:at]), product(in[at:])}
}

func reshape(s *Shapes, n *Node) []int64 {
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
		case d == 0 && i < len(in) && n.Int("allowzero", 0) == 0:
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

func transpose(s *Shapes, n *Node) []int64 {
	in, perm := s.in(n, 0), n.Ints["perm"]
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

func gather(s *Shapes, n *Node) []int64 {
	in, index := s.in(n, 0), s.in(n, 1)
	at := axis(n.Int("axis", 0), len(in))
	if in == nil || index == nil || at < 0 {
		return nil
	}
	return slices.Concat(in[:at], index, in[at+1:])
}

func squeeze(s *Shapes, n *Node) []int64 {
	in := s.in(n, 0)
	axes, ok := s.list(n, 1, "axes")
	if in == nil || !ok && len(n.Inputs) > 1 {
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

func unsqueeze(s *Shapes, n *Node) []int64 {
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

func pad(s *Shapes, n *Node) []int64 {
	in := s.in(n, 0)
	pads, ok := s.list(n, 1, "pads")
	if in == nil || !ok || len(pads) != 2*len(in) || len(n.Inputs) > 3 {
		return nil
	}
	shape := slices.Clone(in)
	for i := range shape {
		shape[i] += pads[i] + pads[i+len(in)]
	}
	return shape
}

func reduce(s *Shapes, n *Node) []int64 {
	in := s.in(n, 0)
	axes, ok := s.list(n, 1, "axes")
	if in == nil || !ok && len(n.Inputs) > 1 {
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
		case n.Int("keepdims", 1) != 0:
			shape = append(shape, 1)
		}
	}
	return shape
}

func constant(_ *Shapes, n *Node) []int64 {
	switch {
	case n.Value != nil && n.Value.Dims == nil:
		return []int64{}
	case n.Value != nil:
		return n.Value.Dims
	case n.Ints["value_ints"] != nil:
		return []int64{int64(len(n.Ints["value_ints"]))}
	}
	return []int64{}
}

func shapeOf(s *Shapes, n *Node) []int64 {
	if in := s.in(n, 0); in != nil {
		return []int64{int64(len(in))}
	}
	return nil
}
