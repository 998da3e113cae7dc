package tfjs

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/batchscore/batchscore/models/graph"
)

// maxNodes is more than the nodes of any classifier, which has some hundreds.
const maxNodes = 20_000

// tfNode is an operation of a TensorFlow graph. Its inputs are names of nodes, after which there
// may be ":0", or "^" before those that only order the execution.
type tfNode struct {
	Name  string            `json:"name"`
	Op    string            `json:"op"`
	Input []string          `json:"input"`
	Attr  map[string]tfAttr `json:"attr"`
}

// tfAttr is an attribute in the JSON of protocol buffers: bytes are in base64, and integers
// may be texts.
type tfAttr struct {
	S     []byte  `json:"s"`
	B     bool    `json:"b"`
	F     float64 `json:"f"`
	Shape tfShape `json:"shape"`
	List  struct {
		S [][]byte    `json:"s"`
		I []tfInteger `json:"i"`
	} `json:"list"`
}

type tfShape struct {
	Dim []struct {
		Size tfInteger `json:"size"`
	} `json:"dim"`
}

type tfInteger int64

// UnmarshalJSON implements json.Unmarshaler.
func (n *tfInteger) UnmarshalJSON(text []byte) error {
	var v json.Number
	if err := json.Unmarshal([]byte(strings.Trim(string(text), `"`)), &v); err != nil {
		return err
	}
	i, err := v.Int64()
	*n = tfInteger(i)
	return err
}

func (n *tfNode) errorf(format string, args ...any) error {
	return bad("node %.200q (%.50s): %w", n.Name, n.Op, fmt.Errorf(format, args...))
}

// list returns the numbers of an attribute.
func (n *tfNode) list(name string) []int64 {
	var list []int64
	for _, i := range n.Attr[name].List.I {
		list = append(list, int64(i))
	}
	return list
}

// signature names the inputs and outputs that callers of a graph model use.
type signature struct {
	Outputs map[string]struct {
		Name string `json:"name"`
	} `json:"outputs"`
}

// tfGraph turns a TensorFlow graph into an ONNX graph.
type tfGraph struct {
	*converter
	nodes map[string]*tfNode
	done  map[string]graph.Value
	begun map[string]bool
}

// convertGraph builds the graph of a graph model. Of several outputs in its signature it
// takes the only one that ends in a softmax, if there is one.
func (c *converter) convertGraph(doc *document) error {
	var topology struct {
		Node []*tfNode `json:"node"`
	}
	if err := json.Unmarshal(doc.Topology, &topology); err != nil {
		return bad("graph: %w", err)
	}
	if len(topology.Node) > maxNodes {
		return bad("graph: %d nodes; at most %d are expected", len(topology.Node), maxNodes)
	}
	g := &tfGraph{converter: c, nodes: map[string]*tfNode{}, done: map[string]graph.Value{}, begun: map[string]bool{}}
	used := map[string]bool{}
	for _, n := range topology.Node {
		if n == nil || n.Name == "" || g.nodes[n.Name] != nil {
			return bad("graph: a node without a name, or two of one name")
		}
		g.nodes[n.Name] = n
		for _, in := range n.Input {
			used[nodeName(in)] = true
		}
	}
	outputs := doc.outputs()
	if len(outputs) == 0 {
		for _, n := range topology.Node {
			if !used[n.Name] && n.Op != "Const" && n.Op != "Placeholder" && n.Op != "NoOp" {
				outputs = append(outputs, n.Name)
			}
		}
	}
	if len(outputs) > 1 {
		outputs = slices.DeleteFunc(slices.Clone(outputs), func(o string) bool { return g.origin(o).Op != "Softmax" })
	}
	if len(outputs) != 1 {
		return bad("graph: there is not one output, or one that ends in a softmax, as a classifier has")
	}
	out, err := g.value(outputs[0])
	if err != nil {
		return err
	}
	return c.finish(out, outputs[0])
}

// outputs returns the names of the nodes that the model's signature gives as outputs.
func (d *document) outputs() []string {
	s := d.Signature
	if s == nil {
		s = d.Metadata.Signature
	}
	var names []string
	if s != nil {
		for _, key := range slices.Sorted(maps.Keys(s.Outputs)) {
			name := s.Outputs[key].Name
			if name == "" {
				name = key
			}
			names = append(names, nodeName(name))
		}
	}
	return names
}

// nodeName returns the node of an input: "a:0" is the first result of a.
func nodeName(input string) string {
	name, _ := strings.CutSuffix(strings.TrimPrefix(input, "^"), ":0")
	return name
}

// origin returns the node behind nodes that change nothing.
func (g *tfGraph) origin(name string) *tfNode {
	for range maxNodes {
		n := g.nodes[nodeName(name)]
		if n == nil {
			break
		}
		if n.Op != "Identity" || len(n.Input) == 0 {
			return n
		}
		name = n.Input[0]
	}
	return &tfNode{Name: name}
}

// constant returns the weights behind an input; nil if it is none.
func (g *tfGraph) constant(name string) *tensor {
	n := g.origin(name)
	if n.Op != "Const" {
		return nil
	}
	g.asked[n.Name] = true
	return g.weights[n.Name]
}

// value returns the result of a node.
func (g *tfGraph) value(name string) (graph.Value, error) {
	name = nodeName(name)
	if v, ok := g.done[name]; ok {
		return v, nil
	}
	n := g.nodes[name]
	if n == nil {
		return graph.Value{}, bad("graph: there is no node %.200q", name)
	}
	if g.begun[name] {
		return graph.Value{}, n.errorf("takes part in its own input")
	}
	g.begun[name] = true
	all := operations()
	convert, known := all[n.Op]
	if !known && n.Op != "Placeholder" {
		return graph.Value{}, n.errorf("operations of this kind cannot be imported; these can: %s;"+
			" convert the model with python3 -m tf2onnx.convert --tfjs model.json --output model.onnx",
			strings.Join(slices.Sorted(maps.Keys(all)), ", "))
	}
	data := slices.DeleteFunc(slices.Clone(n.Input), func(in string) bool { return strings.HasPrefix(in, "^") })
	if known && len(data) < convert.inputs {
		return graph.Value{}, n.errorf("has %d inputs, wants %d", len(data), convert.inputs)
	}
	var v graph.Value
	var err error
	if n.Op == "Placeholder" {
		v, err = g.placeholder(n)
	} else {
		inner := *n
		inner.Name = "tf/" + n.Name // so that it does not meet the names that an import gives
		v, err = convert.to(g, &inner, data)
	}
	if err == nil {
		err = g.graph.Err()
	}
	if err != nil {
		if !strings.HasPrefix(err.Error(), "unusable model") { // an error of another node has its name
			err = n.errorf("%w", err)
		}
		return graph.Value{}, err
	}
	g.done[name] = v
	return v, nil
}

// operation is a kind of node, with its least number of inputs.
type operation struct {
	inputs int
	to     func(g *tfGraph, n *tfNode, in []string) (graph.Value, error)
}

// operations are the kinds of nodes that can be imported.
func operations() map[string]operation {
	return map[string]operation{
		"Add": {2, (*tfGraph).arithmetic}, "AddV2": {2, (*tfGraph).arithmetic}, "BiasAdd": {2, (*tfGraph).arithmetic},
		"Mul": {2, (*tfGraph).arithmetic}, "Sub": {2, (*tfGraph).arithmetic}, "RealDiv": {2, (*tfGraph).arithmetic},
		"Conv2D": {2, (*tfGraph).convolution}, "_FusedConv2D": {2, (*tfGraph).convolution},
		"DepthwiseConv2dNative": {2, (*tfGraph).convolution}, "FusedDepthwiseConv2dNative": {2, (*tfGraph).convolution},
		"MatMul": {2, (*tfGraph).product}, "_FusedMatMul": {2, (*tfGraph).product},
		"FusedBatchNorm": {5, (*tfGraph).normalise}, "FusedBatchNormV2": {5, (*tfGraph).normalise}, "FusedBatchNormV3": {5, (*tfGraph).normalise},
		"Relu": {1, (*tfGraph).activation}, "Relu6": {1, (*tfGraph).activation}, "Sigmoid": {1, (*tfGraph).activation},
		"Softmax": {1, (*tfGraph).activation}, "Identity": {1, (*tfGraph).same}, "StopGradient": {1, (*tfGraph).same},
		"MaxPool": {1, (*tfGraph).pooled}, "AvgPool": {1, (*tfGraph).pooled}, "Mean": {2, (*tfGraph).mean},
		"Squeeze": {1, (*tfGraph).squeeze}, "Reshape": {2, (*tfGraph).reshaped}, "Pad": {2, (*tfGraph).padded}, "PadV2": {2, (*tfGraph).padded},
		"ConcatV2": {3, (*tfGraph).joined},
	}
}

func (g *tfGraph) placeholder(n *tfNode) (graph.Value, error) {
	dims := n.Attr["shape"].Shape.Dim
	if len(dims) != 4 || dims[3].Size != 3 || min(dims[1].Size, dims[2].Size) < 1 || max(dims[1].Size, dims[2].Size) > maxInt {
		return graph.Value{}, errors.New("is not an image of a fixed size: its shape should be [-1,height,width,3]")
	}
	return g.images(int64(dims[1].Size), int64(dims[2].Size))
}

func (g *tfGraph) same(_ *tfNode, in []string) (graph.Value, error) { return g.value(in[0]) }
