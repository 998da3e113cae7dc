package convert

import (
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/batchscore/batchscore/models/graph/onnxpb"
)

// newNode returns an operator of ONNX's own domain with one output, which has the
// node's name.
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

// intOf returns an integer attribute, or def if it is absent.
func intOf(node *onnxpb.NodeProto, name string, otherwise int64) int64 {
	if a := attribute(node, name); a != nil {
		return a.GetI()
	}
	return otherwise
}

// floatOf returns a float attribute, or def if it is absent.
func floatOf(node *onnxpb.NodeProto, name string, otherwise float32) float32 {
	if a := attribute(node, name); a != nil {
		return a.GetF()
	}
	return otherwise
}

// is reports whether node is ONNX's own operator of that name.
func is(node *onnxpb.NodeProto, ops ...string) bool {
	return node != nil && (node.GetDomain() == "" || node.GetDomain() == "ai.onnx") && slices.Contains(ops, node.GetOpType())
}

// wiring records which nodes produce and consume each value of a graph.
type wiring struct {
	producer  map[string]*onnxpb.NodeProto
	consumers map[string][]*onnxpb.NodeProto // a node once for every operand
	outputs   map[string]bool                // of the graph, or used by a graph within it
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

// captured counts values that a graph within the graph uses as outputs, which must
// not change.
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

// only returns the only node that uses a value; nil if there are several, or if the
// value is also an output.
func (w wiring) only(name string) *onnxpb.NodeProto {
	if c := w.consumers[name]; len(c) == 1 && !w.outputs[name] {
		return c[0]
	}
	return nil
}
