package convert

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/float16"
	"github.com/batchscore/batchscore/models/graph/onnxpb"
)

// headroom is the factor by which the numbers of a layer must stay below the largest
// float16, for the images that it is measured with.
const headroom = 8

// Half reads the float32 model in and writes it to out with weights and activations
// in float16. Input and output do not change. These stay in float32:
//
//   - everything before the first convolution or dense layer: pixels and their
//     normalisation;
//   - softmax, reductions, pools over a whole plane, batch normalisation that could
//     not be folded into a convolution, and every operator that is not known to work
//     on float16;
//   - operators with constants that float16 cannot hold;
//   - operators whose numbers exceed an eighth of the largest float16 for the images.
//     Without images nothing is measured.
//
// The result is meant for GPUs. On a CPU, ONNX Runtime runs it more slowly than
// float32.
// Errors about the model wrap models.ErrModel.
func Half(ctx context.Context, in, out string, o models.OpenOptions, by Calibration) (*models.Contract, error) {
	return rewrite(in, out, FP16, o, by, func(n *network, m *meter) error { return n.toHalf(ctx, m) })
}

// toHalf is Half in memory.
func (n *network) toHalf(ctx context.Context, m *meter) error {
	n.foldBatchNorm()
	h := newHalving(n)
	if len(h.narrow) == 0 {
		return fmt.Errorf("%w: it has no layer of float32 that can be float16; has it been converted already?", models.ErrModel)
	}
	if len(m.images) > 0 {
		if err := h.keepLarge(ctx, m); err != nil {
			return err
		}
	}
	h.apply()
	return nil
}

// halving is a network that is being converted to float16.
type halving struct {
	*network
	types  map[string]int32 // of the values; 0 if unknown
	narrow map[*onnxpb.NodeProto]bool
}

// halves are the operators that work on float16 as they do on float32, with all
// their float operands and results of one type.
func halves(node *onnxpb.NodeProto) bool {
	if is(node, "AveragePool") {
		area := int64(1)
		for _, k := range attribute(node, "kernel_shape").GetInts() {
			area *= k
		}
		return area <= 16
	}
	return isWeighted(node) || is(node, "Relu", "LeakyRelu", "PRelu", "Clip", "Sigmoid", "Tanh", "HardSigmoid", "HardSwish",
		"Add", "Sub", "Mul", "MaxPool", "GlobalMaxPool") || movesOnly(node)
}

func isWeighted(node *onnxpb.NodeProto) bool {
	return is(node, "Conv", "ConvTranspose", "Gemm", "MatMul")
}

// movesOnly are the operators that compute nothing.
func movesOnly(node *onnxpb.NodeProto) bool {
	return is(node, "Concat", "Flatten", "Reshape", "Transpose", "Squeeze", "Unsqueeze", "Identity", "Dropout", "Pad", "Slice", "Gather", "Split", "Expand")
}

// newHalving finds the types of the values and the operators to convert.
func newHalving(n *network) *halving {
	h := &halving{n, map[string]int32{}, map[*onnxpb.NodeProto]bool{}}
	for _, vs := range [][]*onnxpb.ValueInfoProto{n.graph.GetInput(), n.graph.GetValueInfo(), n.graph.GetOutput()} {
		for _, v := range vs {
			h.types[v.GetName()] = v.GetType().GetTensorType().GetElemType()
		}
	}
	for _, c := range n.constants {
		h.types[c.name] = c.elem
	}
	behind := map[string]bool{} // values after a layer with weights
	for _, node := range n.graph.GetNode() {
		after, known, floats := isWeighted(node), true, 0
		for _, in := range node.GetInput() {
			after = after || behind[in]
			known = known && (in == "" || h.types[in] != 0)
			if h.types[in] == elemFloat {
				floats++
			}
		}
		for i, out := range node.GetOutput() {
			behind[out] = after
			if h.types[out] == 0 {
				h.types[out] = h.typeOf(node, i)
			}
		}
		if after && known && floats > 0 && halves(node) && h.fit(node) {
			h.narrow[node] = true
		}
	}
	return h
}

// typeOf returns the type of a node's output; 0 if it is not known.
func (h *halving) typeOf(node *onnxpb.NodeProto, output int) int32 {
	switch {
	case is(node, "Cast"):
		return int32(intOf(node, "to", 0))
	case is(node, "Shape", "Size"), is(node, "MaxPool") && output == 1:
		return elemInt64
	case is(node, "Dropout") && output == 1:
		return elemBool
	case halves(node), movesOnly(node), is(node, "Div", "Softmax", "LogSoftmax", "BatchNormalization", "AveragePool", "GlobalAveragePool",
		"ReduceMean", "ReduceSum", "ReduceMax", "LRN", "Exp", "Log", "Sqrt", "Pow", "Neg", "Abs", "Erf", "Max", "Min", "Sum", "Mean"):
		return h.types[operand(node, 0)]
	}
	return 0
}

// fit reports whether float16 can hold a node's constants: none is too large, and
// none loses most of its elements because they are small.
func (h *halving) fit(node *onnxpb.NodeProto) bool {
	for _, name := range node.GetInput() {
		c := h.byName[name]
		if c == nil || c.elem != elemFloat {
			continue
		}
		f, err := c.floats()
		if err != nil {
			return false
		}
		most := 0.0
		for _, v := range f {
			most = max(most, math.Abs(float64(v)))
		}
		if most > float16.Max || most > 0 && most < float16.MinNormal {
			return false
		}
	}
	return true
}

// keepLarge keeps operators in float32 whose numbers are large.
func (h *halving) keepLarge(ctx context.Context, m *meter) error {
	var values []string
	var makers []*onnxpb.NodeProto
	for _, node := range h.graph.GetNode() {
		if out := node.GetOutput()[0]; h.narrow[node] && !movesOnly(node) && h.types[out] == elemFloat {
			values, makers = append(values, out), append(makers, node)
		}
	}
	spans, err := m.spans(ctx, values)
	if err != nil {
		return err
	}
	for i, v := range values {
		if max(-spans[v].lo, spans[v].hi) > float16.Max/headroom {
			delete(h.narrow, makers[i])
		}
	}
	return nil
}

// apply converts the nodes and adds casts between them and the others.
func (h *halving) apply() {
	isHalf := map[string]bool{}    // values that are float16 now
	other := map[string]string{}   // a value, and its name in the other type
	renamed := map[string]string{} // outputs of the graph, and the values they are cast from
	outputs := h.wiring().outputs
	var nodes []*onnxpb.NodeProto
	cast := func(name, suffix string, to int32) string {
		if other[name] == "" {
			other[name] = h.fresh(name + suffix)
			nodes = append(nodes, newNode("Cast", other[name], []string{name}, integer("to", int64(to))))
		}
		return other[name]
	}
	for _, node := range h.graph.GetNode() {
		for i, name := range node.GetInput() {
			if renamed[name] != "" {
				name = renamed[name]
			}
			switch {
			case h.narrow[node] && isHalf[name]:
				node.Input[i] = name
			case h.narrow[node] && h.byName[name] != nil && h.types[name] == elemFloat:
				node.Input[i] = h.halfConstant(name, other)
			case h.narrow[node] && h.types[name] == elemFloat:
				node.Input[i] = cast(name, "/half", elemHalf)
			case isHalf[name]:
				node.Input[i] = cast(name, "/float", elemFloat)
			}
		}
		nodes = append(nodes, node)
		if !h.narrow[node] {
			continue
		}
		for i, name := range node.GetOutput() {
			if h.types[name] != elemFloat {
				continue
			}
			if outputs[name] {
				// The name stays with the float32 value that is the output.
				narrow := h.fresh(name + "/half")
				node.Output[i], renamed[name], other[narrow] = narrow, narrow, name
				out := newNode("Cast", h.fresh(name+"/cast"), []string{narrow}, integer("to", int64(elemFloat)))
				out.Output = []string{name}
				nodes = append(nodes, out)
				name = narrow
			}
			isHalf[name] = true
		}
	}
	h.graph.Node, h.graph.ValueInfo = nodes, nil
	h.dropUnused()
}

// halfConstant returns a constant in float16, which it creates the first time.
func (h *halving) halfConstant(name string, other map[string]string) string {
	if other[name] == "" {
		c := h.byName[name]
		narrow := &constant{name: h.fresh(name + "/half"), elem: elemHalf, dims: c.dims, size: 2 * c.count(),
			data: func() ([]byte, error) {
				f, err := c.floats()
				return halfBytes(f), err
			}}
		h.add(narrow)
		other[name] = narrow.name
	}
	return other[name]
}

func halfBytes(f []float32) []byte {
	raw := make([]byte, 0, 2*len(f))
	for _, v := range f {
		raw = binary.LittleEndian.AppendUint16(raw, float16.Bits(v))
	}
	return raw
}
