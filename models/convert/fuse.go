package convert

import (
	"fmt"
	"path/filepath"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/graph/onnxpb"
	"github.com/batchscore/batchscore/models/preprocess"
)

// Fuse reads the float32 model in, puts in front of it what the host would do to
// each pixel by its contract, and writes the result to out. The result takes bytes,
// [N,H,W,3], RGB, a quarter of the size. For the same 8-bit pixels it computes the
// same bits as the host. The normalisation stays in front of the network, because a
// mean folded into a convolution would be wrong where the convolution pads with
// zeros.
//
// The batch may be fixed or of any size. Errors about the model, also about one that
// already takes bytes, wrap models.ErrModel.
func Fuse(in, out string, o models.OpenOptions) (*models.Contract, error) {
	n, err := open(in, o)
	if err != nil {
		return nil, err
	}
	if err := n.fuse(); err != nil {
		return nil, fmt.Errorf("%w: fuse %s: %w", models.ErrModel, in, err)
	}
	c := n.derived(in)
	s := &c.Preprocess
	s.DType, s.Layout, s.BGR, s.Scale, s.Mean, s.Std = preprocess.Uint8, preprocess.HWC, false, 0, nil, nil
	if err := n.setContract(c); err != nil {
		return nil, fmt.Errorf("%w: fuse %s: %w", models.ErrModel, in, err)
	}
	return &c, n.save(out)
}

// derived returns the contract of a model made from the model in a file.
func (n *network) derived(path string) models.Contract {
	c := n.opened.Contract
	source := filepath.Base(path)
	if c.Source != "" {
		source += ", from " + c.Source
	}
	c.Source, c.SourceDigest = source, n.opened.Digest
	return c
}

func (n *network) fuse() error {
	m, s := n.opened, n.opened.Contract.Preprocess
	switch {
	case m.DType == preprocess.Uint8:
		return fmt.Errorf("input %q already takes bytes: the normalisation is in the graph", m.InputName)
	case n.opset < 7:
		return fmt.Errorf("its operators are of version %d; 7 or newer is needed", n.opset)
	}
	input := n.graph.Input[slices.IndexFunc(n.graph.Input, func(v *onnxpb.ValueInfoProto) bool {
		return v.GetName() == m.InputName
	})]

	var nodes []*onnxpb.NodeProto
	x := n.fresh("pixels")
	step := func(op, name string, operands []string, attributes ...*onnxpb.AttributeProto) {
		name = n.fresh("preprocess/" + name)
		nodes = append(nodes, newNode(op, name, append([]string{x}, operands...), attributes...))
		x = name
	}
	perChannel := func(name string, v []float32) []string {
		dims := []int64{3}
		if s.Layout == preprocess.CHW {
			dims = []int64{3, 1, 1}
		}
		if v = slices.Clone(v); s.BGR {
			slices.Reverse(v)
		}
		c := newBytes(n.fresh("preprocess/"+name), elemFloat, dims, floatBytes(v))
		n.add(c)
		return []string{c.name}
	}
	scalar := func(name string, v float32) []string {
		c := newBytes(n.fresh("preprocess/"+name), elemFloat, nil, floatBytes([]float32{v}))
		n.add(c)
		return []string{c.name}
	}

	// Pixels are moved first, while they are bytes.
	input.Name = proto.String(x)
	channels := int64(3)
	if s.Layout == preprocess.CHW {
		step("Transpose", "planes", nil, ints("perm", 0, 3, 1, 2))
		channels = 1
	}
	if s.BGR {
		order := newInt64s(n.fresh("preprocess/order"), 2, 1, 0)
		n.add(order)
		step("Gather", "bgr", []string{order.name}, integer("axis", channels))
	}
	step("Cast", "float", nil, integer("to", int64(elemFloat)))
	// In the order of the host, so that every float is rounded in the same way.
	if s.Scale != 0 && s.Scale != 1 {
		step("Mul", "scaled", scalar("scale", s.Scale))
	}
	if len(s.Mean) != 0 {
		step("Sub", "centred", perChannel("mean", s.Mean))
	}
	if len(s.Std) != 0 {
		step("Div", "normalised", perChannel("std", s.Std))
	}
	// The last step produces the value that the network has as its input.
	last := nodes[len(nodes)-1]
	last.Output = []string{m.InputName}

	batch := input.GetType().GetTensorType().GetShape().GetDim()[0]
	shape := &onnxpb.TensorShapeProto{Dim: []*onnxpb.TensorShapeProto_Dimension{batch}}
	for _, d := range []int{s.Height, s.Width, 3} {
		shape.Dim = append(shape.Dim, &onnxpb.TensorShapeProto_Dimension{
			Value: &onnxpb.TensorShapeProto_Dimension_DimValue{DimValue: int64(d)},
		})
	}
	t := input.GetType().GetTensorType()
	t.ElemType, t.Shape = proto.Int32(elemUint8), shape
	n.graph.Node = append(nodes, n.graph.Node...)
	return nil
}
