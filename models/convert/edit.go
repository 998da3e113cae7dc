package convert

import (
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/batchscore/batchscore/models/graph/onnxpb"
)

// newNode is an operator of ONNX's own domain with one output, whose name the
// node shares.
func newNode(op, output string, inputs []string, attributes ...*onnxpb.AttributeProto) *onnxpb.NodeProto {
	return &onnxpb.NodeProto{
		OpType: proto.String(op), Name: proto.String(output),
		Input: inputs, Output: []string{output}, Attribute: attributes,
	}
}

func ints(name string, v ...int64) *onnxpb.AttributeProto {
	return &onnxpb.AttributeProto{Name: &name, Type: onnxpb.AttributeProto_INTS.Enum(), Ints: v}
}

func integer(name string, v int64) *onnxpb.AttributeProto {
	return &onnxpb.AttributeProto{Name: &name, Type: onnxpb.AttributeProto_INT.Enum(), I: &v}
}

// attribute returns a node's attribute, or nil.
func attribute(node *onnxpb.NodeProto, name string) *onnxpb.AttributeProto {
	for _, a := range node.GetAttribute() {
		if a.GetName() == name {
			return a
		}
	}
	return nil
}

// intOf is an integer attribute, or what it is where it is left out.
func intOf(node *onnxpb.NodeProto, name string, otherwise int64) int64 {
	if a := attribute(node, name); a != nil {
		return a.GetI()
	}
	return otherwise
}

// floatOf is a float attribute, or what it is where it is left out.
func floatOf(node *onnxpb.NodeProto, name string, otherwise float32) float32 {
	if a := attribute(node, name); a != nil {
		return a.GetF()
	}
	return otherwise
}

// is tells whether node is one of ONNX's own operators of that name.
func is(node *onnxpb.NodeProto, ops ...string) bool {
	return node != nil && (node.GetDomain() == "" || node.GetDomain() == "ai.onnx") && slices.Contains(ops, node.GetOpType())
}

// wiring says who makes and who takes each value of a graph.
type wiring struct {
	producer  map[string]*onnxpb.NodeProto
	consumers map[string][]*onnxpb.NodeProto // once for every operand
	outputs   map[string]bool                // of the graph, or taken by a graph within it
}

func (n *network) wiring() wiring {
	w := wiring{map[string]*onnxpb.NodeProto{}, map[string][]*onnxpb.NodeProto{}, map[string]bool{}}
	for _, v := range n.graph.GetOutput() {
		w.outputs[v.GetName()] = true
	}
	for _, node := range n.graph.GetNode() {
		for _, name := range node.GetInput() {
			w.consumers[name] = append(w.consumers[name], node)
		}
		for _, name := range node.GetOutput() {
			w.producer[name] = node
		}
		for _, a := range node.GetAttribute() {
			for _, g := range append(a.GetGraphs(), a.GetG()) {
				w.captured(g)
			}
		}
	}
	return w
}

// captured counts what a graph within the graph names as an output: it must
// stay as it is.
func (w wiring) captured(g *onnxpb.GraphProto) {
	for _, node := range g.GetNode() {
		for _, name := range node.GetInput() {
			w.outputs[name] = true
		}
		for _, a := range node.GetAttribute() {
			for _, inner := range append(a.GetGraphs(), a.GetG()) {
				w.captured(inner)
			}
		}
	}
	for _, v := range g.GetOutput() {
		w.outputs[v.GetName()] = true
	}
}

// only returns the one node that takes a value, nil where there is another or
// the value is an output as well.
func (w wiring) only(name string) *onnxpb.NodeProto {
	if c := w.consumers[name]; len(c) == 1 && !w.outputs[name] {
		return c[0]
	}
	return nil
}
