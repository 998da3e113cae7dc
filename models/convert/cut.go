package convert

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/graph/onnxpb"
	"github.com/batchscore/batchscore/models/onnxfile"
)

// Cut writes to out the part of the model in that computes one of its tensors, with a
// contract for vectors: the same pixels, and the task [models.Embed]. An empty tensor is
// that after the pooling, or before the last layer, as [models.Inspect] names it. It returns the contract and the
// tensor. The tensor must have one row of numbers for an image: sizes [N,C], [N,C,1,1] or
// the like. Errors about the model wrap models.ErrModel.
func Cut(in, out, tensor string, o models.OpenOptions) (*models.Contract, string, error) {
	m, err := models.Open(in, o)
	if err != nil {
		return nil, "", err
	}
	f, err := onnxfile.Read(in)
	if err != nil {
		return nil, "", fmt.Errorf("%w: %w", models.ErrModel, err)
	}
	if tensor == "" {
		if tensor, _ = m.Features(); tensor == "" {
			return nil, "", fmt.Errorf("%w: %s: its graph does not show which tensor suits as a vector; name one after IN.onnx%s",
				models.ErrModel, in, rows(f))
		}
	}
	data, err := os.ReadFile(in)
	if err != nil {
		return nil, "", fmt.Errorf("read model: %w", err)
	}
	n, err := parse(data, filepath.Dir(in))
	if err != nil {
		return nil, "", fmt.Errorf("%w: %s: %w", models.ErrModel, in, err)
	}
	n.opened = m
	width, err := n.cut(tensor, f.Shapes().Of(tensor))
	if err != nil {
		return nil, "", fmt.Errorf("%w: cut %s: %w", models.ErrModel, in, err)
	}
	c := n.derived(in)
	c.Name += "-features"
	c.Task, c.Output, c.Classes, c.Labels, c.Settings = models.Embed, "", width, nil, models.Settings{}
	c.OutputName, c.Outputs, c.Heads = "", nil, nil
	if err := n.setContract(c); err != nil {
		return nil, "", fmt.Errorf("%w: cut %s: %w", models.ErrModel, in, err)
	}
	return &c, tensor, n.save(out)
}

// rows lists the last tensors of a graph that have one row of numbers for each image, for an
// error: ": a, b".
func rows(f *onnxfile.File) string {
	var names []string
	for i := len(f.Nodes) - 1; i >= 0 && len(names) < 8; i-- {
		for _, name := range f.Nodes[i].Outputs {
			if n, ok := onnxfile.Row(f.Shapes().Of(name)); ok && n > 1 {
				names = append(names, fmt.Sprintf("%q (%d numbers)", name, n))
			}
		}
	}
	if len(names) == 0 {
		return "; the sizes of none of its tensors follow from the graph"
	}
	return ": " + strings.Join(names, ", ")
}

// cut makes a tensor, whose sizes for one image are known, the graph's only output. It
// returns how many numbers an image has.
func (n *network) cut(tensor string, sizes []int64) (int, error) {
	w := n.wiring()
	if w.producer[tensor] == nil {
		return 0, fmt.Errorf("no operator of its graph computes a tensor %q; 'batchscore models inspect' names the one that suits", tensor)
	}
	if sizes == nil {
		return 0, fmt.Errorf("the sizes of %q do not follow from the graph", tensor)
	}
	width, ok := onnxfile.Row(sizes)
	if !ok {
		return 0, fmt.Errorf("the tensor %q has sizes %v, not one row of numbers for each image; choose one after the pooling", tensor, sizes)
	}
	elem := int32(elemFloat)
	for _, v := range slices.Concat(n.graph.GetValueInfo(), n.graph.GetOutput()) {
		if v.GetName() == tensor {
			elem = v.GetType().GetTensorType().GetElemType()
		}
	}
	switch onnxpb.TensorProto_DataType(elem) {
	case onnxpb.TensorProto_FLOAT, onnxpb.TensorProto_FLOAT16, onnxpb.TensorProto_DOUBLE:
	default:
		return 0, fmt.Errorf("the tensor %q holds %v, not floats", tensor, onnxpb.TensorProto_DataType(elem))
	}
	if n.opened.Half || n.opened.Int8 {
		return 0, fmt.Errorf("it computes in another precision than float32; cut the model that it was made from, then convert the result")
	}
	n.graph.Output = []*onnxpb.ValueInfoProto{n.declared(tensor, elem, sizes)}
	n.dropUnneeded(tensor, w.producer)
	n.dropUnused()
	return int(width), nil
}

// declared returns the declaration of an output with the images of the input and those
// sizes for one image.
func (n *network) declared(name string, elem int32, sizes []int64) *onnxpb.ValueInfoProto {
	input := n.graph.Input[slices.IndexFunc(n.graph.Input, func(v *onnxpb.ValueInfoProto) bool {
		return v.GetName() == n.opened.InputName
	})]
	shape := &onnxpb.TensorShapeProto{Dim: []*onnxpb.TensorShapeProto_Dimension{input.GetType().GetTensorType().GetShape().GetDim()[0]}}
	for _, d := range sizes[1:] {
		shape.Dim = append(shape.Dim, &onnxpb.TensorShapeProto_Dimension{Value: &onnxpb.TensorShapeProto_Dimension_DimValue{DimValue: d}})
	}
	return &onnxpb.ValueInfoProto{Name: proto.String(name), Type: &onnxpb.TypeProto{Value: &onnxpb.TypeProto_TensorType{
		TensorType: &onnxpb.TypeProto_Tensor{ElemType: proto.Int32(elem), Shape: shape},
	}}}
}

// dropUnneeded removes the operators that a tensor does not depend on, and what is declared
// about their results.
func (n *network) dropUnneeded(tensor string, producer map[string]*onnxpb.NodeProto) {
	needed := map[*onnxpb.NodeProto]bool{}
	open := []string{tensor}
	var inner func(g *onnxpb.GraphProto)
	take := func(node *onnxpb.NodeProto) {
		open = append(open, node.GetInput()...)
		for _, a := range node.GetAttribute() {
			for _, g := range append(a.GetGraphs(), a.GetG()) {
				inner(g)
			}
		}
	}
	inner = func(g *onnxpb.GraphProto) {
		for _, v := range g.GetOutput() {
			open = append(open, v.GetName())
		}
		for _, node := range g.GetNode() {
			take(node)
		}
	}
	for len(open) > 0 {
		node := producer[open[len(open)-1]]
		open = open[:len(open)-1]
		if node != nil && !needed[node] {
			needed[node] = true
			take(node)
		}
	}
	n.graph.Node = slices.DeleteFunc(n.graph.Node, func(node *onnxpb.NodeProto) bool { return !needed[node] })
	n.graph.ValueInfo = slices.DeleteFunc(n.graph.ValueInfo, func(v *onnxpb.ValueInfoProto) bool {
		return v.GetName() == tensor || producer[v.GetName()] != nil && !needed[producer[v.GetName()]]
	})
}
