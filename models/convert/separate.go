package convert

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/graph/onnxpb"
	"github.com/batchscore/batchscore/models/onnxfile"
)

// Convolution is a two-dimensional convolution of float32 with strides and dilations
// of 1, one group and constant weights, and a rectifier that follows it.
type Convolution struct {
	Channels, Filters int
	// Kernel is height and width; Pads are top, left, bottom, right.
	Kernel [2]int
	Pads   [4]int
	// Height and Width are those of the output.
	Height, Width int
	// Relu reports whether a rectifier follows that is the only user of the result.
	Relu bool
}

// Operator computes convolutions instead of ONNX's own operator. It has one input, one
// output, and an attribute that identifies the convolution.
type Operator struct {
	Domain, Name, Index string
	// Takes reports whether the operator computes a convolution.
	Takes func(Convolution) bool
	// Add adds a convolution with its weights and its bias, which is nil if it has
	// none, and returns its index. A batch normalisation is folded in.
	Add func(c Convolution, weights, bias []float32) (int, error)
}

// Separate replaces convolutions of a model by op. data is the model's bytes, and
// folder is where its weight files are, which stay there. It returns nil if op takes
// none of the convolutions. The result uses data until it is written.
//
// Errors about the content of the model wrap models.ErrModel.
func Separate(data []byte, folder string, op Operator) (*Separated, error) {
	sizes, err := onnxfile.Sizes(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, err
	}
	n, err := parse(data, folder)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", models.ErrModel, err)
	}
	count, err := n.separate(sizes, op)
	if err != nil || count == 0 {
		return nil, err
	}
	for _, c := range n.constants {
		c.keepExternal()
	}
	l, err := n.layout()
	if err != nil {
		return nil, err
	}
	return &Separated{l, count}, nil
}

// Separated is a model without the convolutions that an Operator took.
type Separated struct {
	layout *layout
	// Convolutions counts those that were taken.
	Convolutions int
}

// Size returns how many bytes WriteTo writes.
func (s *Separated) Size() int64 { return s.layout.size }

// WriteTo writes the model.
func (s *Separated) WriteTo(w io.Writer) (int64, error) { return s.layout.WriteTo(w) }

// keepExternal makes a constant be written as it was read.
func (c *constant) keepExternal() {
	if c.external != nil {
		c.whole, c.size, c.data = c.external, 0, nil
	}
}

func (n *network) separate(sizes map[string][]int64, op Operator) (count int, err error) {
	w := n.wiring()
	gone := map[*onnxpb.NodeProto]bool{}
	for _, node := range n.graph.GetNode() {
		c, ok := n.convolution(node, sizes)
		if !ok {
			continue
		}
		shape := sizes[node.GetOutput()[0]]
		// Relu is not known yet, because only a convolution that is taken absorbs the
		// operators that follow it.
		if !op.Takes(c) {
			continue
		}
		if bn := w.only(node.GetOutput()[0]); is(bn, "BatchNormalization") && n.fold(node, bn) {
			gone[bn] = true
		}
		if relu := w.only(node.GetOutput()[0]); n.isRelu(relu) {
			c.Relu, gone[relu] = true, true
			node.Output = relu.GetOutput()
		}
		weights, bias, err := n.operands(node)
		if err != nil {
			return 0, err
		}
		index, err := op.Add(c, weights, bias)
		if err != nil {
			return 0, err
		}
		node.OpType, node.Domain = &op.Name, &op.Domain
		node.Input = node.GetInput()[:1]
		node.Attribute = []*onnxpb.AttributeProto{integer(op.Index, int64(index))}
		n.declare(node.GetOutput()[0], shape)
		count++
	}
	if count == 0 {
		return 0, nil
	}
	n.graph.Node = slices.DeleteFunc(n.graph.Node, func(node *onnxpb.NodeProto) bool { return gone[node] })
	n.dropUnused()
	n.model.OpsetImport = append(n.model.OpsetImport, &onnxpb.OperatorSetIdProto{Domain: &op.Domain, Version: proto.Int64(1)})
	return count, nil
}

// convolution describes a node. It returns false if the node is not a convolution, or
// if something about it is unknown.
func (n *network) convolution(node *onnxpb.NodeProto, sizes map[string][]int64) (c Convolution, ok bool) {
	if !is(node, "Conv") || len(node.GetOutput()) != 1 {
		return c, false
	}
	weights := n.weights(node, 1)
	in, out := sizes[operand(node, 0)], sizes[node.GetOutput()[0]]
	if weights == nil || len(weights.dims) != 4 || len(in) != 4 || len(out) != 4 || intOf(node, "group", 1) != 1 ||
		in[1] != weights.dims[1] || slices.Contains(in, 0) || slices.Contains(out, 0) {
		return c, false
	}
	if name := operand(node, 2); name != "" {
		bias := n.weights(node, 2)
		if bias == nil || !slices.Equal(bias.dims, weights.dims[:1]) {
			return c, false
		}
	}
	for _, name := range []string{"strides", "dilations"} {
		if a := attribute(node, name); a != nil && !slices.Equal(a.GetInts(), []int64{1, 1}) {
			return c, false
		}
	}
	pads := []int64{0, 0, 0, 0}
	if a := attribute(node, "pads"); a != nil {
		pads = a.GetInts()
	}
	kernel := weights.dims[2:]
	switch how := string(attribute(node, "auto_pad").GetS()); how {
	case "", "NOTSET":
	case "VALID":
		pads = []int64{0, 0, 0, 0}
	case "SAME_UPPER", "SAME_LOWER":
		pads = make([]int64, 4)
		for i, k := range kernel {
			less, more := (k-1)/2, k/2
			if how == "SAME_LOWER" {
				less, more = more, less
			}
			pads[i], pads[i+2] = less, more
		}
	default:
		return c, false
	}
	if len(pads) != 4 || slices.ContainsFunc(pads, func(p int64) bool { return p < 0 || p > math.MaxInt16 }) {
		return c, false
	}
	c = Convolution{
		Channels: int(weights.dims[1]), Filters: int(weights.dims[0]),
		Kernel: [2]int{int(kernel[0]), int(kernel[1])},
		Height: int(out[2]), Width: int(out[3]),
	}
	for i, p := range pads {
		c.Pads[i] = int(p)
	}
	// The sizes computed for the whole graph and for this node must agree.
	return c, out[1] == weights.dims[0] &&
		out[2] == in[2]+pads[0]+pads[2]-kernel[0]+1 && out[3] == in[3]+pads[1]+pads[3]-kernel[1]+1
}

// isRelu reports whether a node is max(x, 0) without an upper bound.
func (n *network) isRelu(node *onnxpb.NodeProto) bool {
	if is(node, "Relu") {
		return true
	}
	if !is(node, "Clip") || n.opset < 11 || !n.rectifies(node) {
		return false
	}
	if operand(node, 2) == "" {
		return true
	}
	most := n.weights(node, 2)
	if most == nil || most.count() != 1 {
		return false
	}
	v, err := most.floats()
	return err == nil && v[0] >= math.MaxFloat32
}

// operands reads the weights and the bias of a node; bias is nil if there is none.
func (n *network) operands(node *onnxpb.NodeProto) (weights, bias []float32, err error) {
	if weights, err = n.byName[operand(node, 1)].floats(); err != nil {
		return nil, nil, err
	}
	if operand(node, 2) == "" {
		return weights, nil, nil
	}
	bias, err = n.byName[operand(node, 2)].floats()
	return weights, bias, err
}

// declare adds the type and size of a value to the graph. They follow by themselves for
// ONNX's own operators only.
func (n *network) declare(name string, shape []int64) {
	known := func(v *onnxpb.ValueInfoProto) bool { return v.GetName() == name }
	if slices.ContainsFunc(n.graph.GetValueInfo(), known) || slices.ContainsFunc(n.graph.GetOutput(), known) {
		return
	}
	// The batch may be of any size.
	dims := []*onnxpb.TensorShapeProto_Dimension{{}}
	for _, d := range shape[1:] {
		dims = append(dims, &onnxpb.TensorShapeProto_Dimension{Value: &onnxpb.TensorShapeProto_Dimension_DimValue{DimValue: d}})
	}
	n.graph.ValueInfo = append(n.graph.ValueInfo, &onnxpb.ValueInfoProto{Name: &name, Type: &onnxpb.TypeProto{
		Value: &onnxpb.TypeProto_TensorType{TensorType: &onnxpb.TypeProto_Tensor{
			ElemType: proto.Int32(elemFloat), Shape: &onnxpb.TensorShapeProto{Dim: dims},
		}},
	}})
}
