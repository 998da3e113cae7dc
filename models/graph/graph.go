// Package graph builds ONNX models in readable Go.
//
// A model is written from top to bottom, with one call per layer, in the order of the
// data flow:
//
//	g := graph.New("tiny")
//	x := g.Input("images", graph.Uint8, graph.Dynamic, 32, 32, 3)
//	x = g.Cast("pixels", x, graph.Float32)
//	x = g.Transpose("nchw", x, 0, 3, 1, 2)
//	x = g.Conv("conv", x, kernel, bias, graph.Window{Stride: [2]int64{2, 2}})
//	x = g.Relu("relu", x)
//	g.Output("scores", x)
//	_, err := g.WriteTo(file)
//
// Every call checks shapes and types and computes those of its result. The first
// mistake is remembered and turns later calls into no-ops. Err and WriteTo return it
// with the name of its layer.
//
// Weights are functions that are called one by one while the model is written, so that
// a model of any size is built in the memory of its largest tensor.
package graph

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/batchscore/batchscore/models/graph/onnxpb"
)

// The versions that are written. They are old enough for every ONNX Runtime since 1.12
// and new enough for all operators used here.
const (
	irVersion    = 8
	opsetVersion = 17
)

// Dynamic is the size of an axis that is known only when the model runs, such
// as the batch.
const Dynamic int64 = -1

// DType is the type of a tensor's elements.
type DType int32

// The element types in use.
const (
	Float32 = DType(onnxpb.TensorProto_FLOAT)
	Int64   = DType(onnxpb.TensorProto_INT64)
	Uint8   = DType(onnxpb.TensorProto_UINT8)
	String  = DType(onnxpb.TensorProto_STRING)
)

func (t DType) String() string { return onnxpb.TensorProto_DataType(t).String() }

// Value is a tensor of the graph: an input, a constant or a layer's output.
// The zero Value stands for an optional operand that is absent.
type Value struct {
	Name  string
	Type  DType
	Shape []int64
}

// Graph is a model under construction. Only one goroutine may use it.
type Graph struct {
	name     string
	nodes    []*onnxpb.NodeProto
	inputs   []*onnxpb.ValueInfoProto
	outputs  []*onnxpb.ValueInfoProto
	weights  []weight
	metadata []*onnxpb.StringStringEntryProto
	names    map[string]bool
	err      error
}

// New returns an empty graph.
func New(name string) *Graph {
	return &Graph{name: name, names: map[string]bool{}}
}

// Err returns the first mistake that was made in building the graph.
func (g *Graph) Err() error { return g.err }

// Input declares an input. Any axis, commonly the first, may be Dynamic.
func (g *Graph) Input(name string, t DType, shape ...int64) Value {
	v := Value{name, t, shape}
	if !g.claim(name) {
		return v
	}
	g.inputs = append(g.inputs, valueInfo(v))
	return v
}

// Output makes v the graph's next output, with the given name.
func (g *Graph) Output(name string, v Value) {
	out := g.Node("Identity", name, []Value{v}, v.Type, v.Shape)
	if g.err == nil {
		g.outputs = append(g.outputs, valueInfo(out))
	}
}

// Metadata adds an entry to the model's metadata_props.
func (g *Graph) Metadata(key, value string) {
	g.metadata = append(g.metadata, &onnxpb.StringStringEntryProto{Key: &key, Value: &value})
}

// Node adds an operator for which this package has no method. Its only output has the
// node's name. The given type and shape of the output are not checked.
func (g *Graph) Node(op, name string, in []Value, t DType, shape []int64, attributes ...*onnxpb.AttributeProto) Value {
	out := Value{name, t, shape}
	if !g.claim(name) {
		return out
	}
	if slices.ContainsFunc(shape, func(n int64) bool { return n > math.MaxInt32 }) {
		g.fail(name, "the shape %v is too large", shape)
		return out
	}
	node := &onnxpb.NodeProto{
		OpType: &op, Name: &name, Output: []string{name}, Attribute: attributes,
	}
	for _, v := range in {
		if v.Name != "" && !g.names[v.Name] {
			g.fail(name, "operand %q is not part of this graph", v.Name)
		}
		node.Input = append(node.Input, v.Name)
	}
	for len(node.Input) > 0 && node.Input[len(node.Input)-1] == "" {
		node.Input = node.Input[:len(node.Input)-1]
	}
	g.nodes = append(g.nodes, node)
	return out
}

// Free returns the name, or if it is taken, the name with as many underscores behind it as
// make it free.
func (g *Graph) Free(name string) string {
	for g.names[name] {
		name += "_"
	}
	return name
}

// claim reserves a name and reports whether building can continue.
func (g *Graph) claim(name string) bool {
	switch {
	case g.err != nil:
	case name == "":
		g.fail(g.name, "a value needs a name")
	case g.names[name]:
		g.fail(name, "the name is taken")
	default:
		g.names[name] = true
	}
	return g.err == nil
}

// fail remembers the first mistake; name is its layer.
func (g *Graph) fail(name, format string, args ...any) {
	if g.err == nil {
		g.err = fmt.Errorf("layer %s: %w", name, fmt.Errorf(format, args...))
	}
}

// proto returns the model without its weights.
func (g *Graph) proto() (*onnxpb.ModelProto, error) {
	if g.err != nil {
		return nil, g.err
	}
	if len(g.outputs) == 0 {
		return nil, errors.New("graph has no output")
	}
	return &onnxpb.ModelProto{
		IrVersion:     proto.Int64(irVersion),
		ProducerName:  proto.String("batchscore"),
		OpsetImport:   []*onnxpb.OperatorSetIdProto{{Domain: proto.String(""), Version: proto.Int64(opsetVersion)}},
		MetadataProps: g.metadata,
		Graph: &onnxpb.GraphProto{
			Name: &g.name, Node: g.nodes, Input: g.inputs, Output: g.outputs,
		},
	}, nil
}

func valueInfo(v Value) *onnxpb.ValueInfoProto {
	shape := &onnxpb.TensorShapeProto{}
	for axis, n := range v.Shape {
		d := &onnxpb.TensorShapeProto_Dimension{Value: &onnxpb.TensorShapeProto_Dimension_DimValue{DimValue: n}}
		if n == Dynamic {
			symbol := "N"
			if axis > 0 {
				symbol = fmt.Sprintf("D%d", axis)
			}
			d.Value = &onnxpb.TensorShapeProto_Dimension_DimParam{DimParam: symbol}
		}
		shape.Dim = append(shape.Dim, d)
	}
	return &onnxpb.ValueInfoProto{
		Name: &v.Name,
		Type: &onnxpb.TypeProto{Value: &onnxpb.TypeProto_TensorType{TensorType: &onnxpb.TypeProto_Tensor{
			ElemType: proto.Int32(int32(v.Type)), Shape: shape,
		}}},
	}
}

func ints(name string, v ...int64) *onnxpb.AttributeProto {
	return &onnxpb.AttributeProto{Name: &name, Type: onnxpb.AttributeProto_INTS.Enum(), Ints: slices.Clone(v)}
}

func integer(name string, v int64) *onnxpb.AttributeProto {
	return &onnxpb.AttributeProto{Name: &name, Type: onnxpb.AttributeProto_INT.Enum(), I: &v}
}

func float(name string, v float32) *onnxpb.AttributeProto {
	return &onnxpb.AttributeProto{Name: &name, Type: onnxpb.AttributeProto_FLOAT.Enum(), F: &v}
}
