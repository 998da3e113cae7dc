package models

import (
	"cmp"
	"slices"
	"strings"

	"github.com/batchscore/batchscore/models/graph/onnxpb"
)

// Inspection is what a model file holds, whatever it is for.
type Inspection struct {
	Path   string `json:"path"`
	Size   int64  `json:"size"` // of the file, in bytes
	Digest string `json:"digest"`
	Opset  int64  `json:"opset"`
	// Inputs and Outputs as the graph declares them; -1 is an axis of any size.
	Inputs  []Port `json:"inputs"`
	Outputs []Port `json:"outputs"`
	// Ending is what the graph's last operators say of the scores.
	Ending string `json:"ending,omitempty"`
	// Operators are in order of how often they occur.
	Operators []OperatorCount `json:"operators"`
	// Parameters is the elements that training learns: weights, biases, and
	// scale and bias of normalisations, without running means and variances.
	Parameters int64 `json:"parameters"`
	// Precision counts the parameters by their element type, as stored.
	Precision map[string]int64 `json:"precision"`
	// MultiplyAdds is those of convolutions and matrix products for one image;
	// nil where the size of some of them could not be worked out.
	MultiplyAdds *int64 `json:"multiply_adds"`
	// Unknown names the operators whose work could not be counted.
	Unknown []OperatorCount `json:"unknown,omitempty"`
	// Contract is what a run would use; nil where it cannot be known, and then
	// Refused says why.
	Contract  *Contract `json:"contract"`
	Conflicts []string  `json:"conflicts,omitempty"`
	// Dependences are operators by which the row of an image depends on its
	// neighbours or on chance.
	Dependences  []Dependence `json:"dependences,omitempty"`
	Refused      string       `json:"refused,omitempty"`
	GoldenImages int          `json:"golden_images"`
}

// Port is a declared input or output of a graph.
type Port struct {
	Name  string  `json:"name"`
	Type  string  `json:"type"`
	Shape []int64 `json:"shape"`
	// Axes are the names of the axes of any size; empty for the others.
	Axes []string `json:"axes,omitempty"`
}

// OperatorCount is how often an operator stands in a graph.
type OperatorCount struct {
	Op    string `json:"op"`
	Count int    `json:"count"`
}

// Inspect reads all of a model file but its weights. A file that is no model
// is an error wrapping ErrModel; a model that cannot be run is none.
func Inspect(path string, o OpenOptions) (*Inspection, error) {
	h, size, err := readFile(path)
	if err != nil {
		return nil, err
	}
	in := &Inspection{
		Path: path, Size: size + h.externalSize, Digest: h.digest, Opset: h.opset,
		Inputs: portsOf(h.realInputs()), Outputs: portsOf(h.outputs),
		Precision: map[string]int64{},
	}
	ops := map[string]int{}
	for _, n := range h.nodes {
		ops[n.op]++
	}
	in.Operators = ranked(ops)
	s := infer(h)
	if in.Unknown = ranked(s.opaque); len(in.Unknown) == 0 {
		in.MultiplyAdds = &s.macs
	}
	for _, t := range parameters(h) {
		n := max(t.count(), 0)
		in.Parameters += n
		in.Precision[typeName(t.elem)] += n
	}
	in.Dependences = dependences(h)
	m := &Model{Path: path, Digest: h.digest, Size: size + h.externalSize}
	err = m.fill(h, o)
	if m.OutputName != "" && m.OutputShape != nil {
		in.Ending = m.ending.String()
	}
	if err != nil {
		in.Refused = err.Error()
		return in, nil
	}
	in.Contract, in.Conflicts = &m.Contract, m.Conflicts
	if m.Golden != nil {
		in.GoldenImages = len(m.Golden.Images)
	}
	return in, nil
}

func portsOf(ts []tensorInfo) []Port {
	var list []Port
	for _, t := range ts {
		p := Port{Name: t.name, Type: typeName(t.elem), Shape: t.shape, Axes: t.axes}
		switch {
		case t.kind != "":
			p.Type = t.kind
		case !t.shaped:
			p.Shape = nil
		}
		list = append(list, p)
	}
	return list
}

func ranked(counts map[string]int) []OperatorCount {
	var list []OperatorCount
	for op, n := range counts {
		list = append(list, OperatorCount{op, n})
	}
	slices.SortFunc(list, func(a, b OperatorCount) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Op, b.Op))
	})
	return list
}

// learned are the operands that training learns, by operator.
var learned = map[string][]int{
	"Conv": {1, 2}, "FusedConv": {1, 2}, "ConvTranspose": {1, 2}, "ConvInteger": {1}, "QLinearConv": {3, 8},
	"Gemm": {0, 1, 2}, "FusedGemm": {0, 1, 2}, "QGemm": {3, 6},
	"MatMul": {0, 1}, "MatMulInteger": {0, 1}, "QLinearMatMul": {0, 3},
	"BatchNormalization": {1, 2}, "InstanceNormalization": {1, 2}, "LayerNormalization": {1, 2}, "PRelu": {1},
	"LSTM": {1, 2, 3}, "GRU": {1, 2, 3},
}

// passes are operators through which a weight may go on its way to where it is
// used: their first operand.
var passes = map[string]bool{
	"Identity": true, "Cast": true, "DequantizeLinear": true, "Transpose": true, "Reshape": true, "Unsqueeze": true, "Squeeze": true,
}

// parameters finds the tensors that training learned, each once.
func parameters(h *header) []tensor {
	constants := map[string]tensor{}
	for _, t := range h.tensors {
		constants[t.name] = t
	}
	maker := map[string]*node{}
	for i := range h.nodes {
		n := &h.nodes[i]
		for _, out := range n.outputs {
			maker[out] = n
		}
		if n.op == "Constant" && n.value != nil && len(n.outputs) == 1 {
			constants[n.outputs[0]] = *n.value
		}
	}
	var found []tensor
	seen := map[string]bool{}
	take := func(name string) {
		for range 8 {
			if t, ok := constants[name]; ok {
				if !seen[name] {
					seen[name] = true
					found = append(found, t)
				}
				return
			}
			n := maker[name]
			if n == nil || !passes[n.op] || len(n.inputs) == 0 {
				return
			}
			name = n.inputs[0]
		}
	}
	for i := range h.nodes {
		n := &h.nodes[i]
		for _, operand := range learned[n.op] {
			if operand < len(n.inputs) {
				take(n.inputs[operand])
			}
		}
		// A bias that is added to a product by itself.
		if n.op != "Add" || len(n.inputs) != 2 {
			continue
		}
		for i, in := range n.inputs {
			if m := maker[in]; m != nil && learned[m.op] != nil && m.op != "BatchNormalization" {
				take(n.inputs[1-i])
			}
		}
	}
	return found
}

// typeName is an element type as programs call it.
func typeName(elem int32) string {
	switch onnxpb.TensorProto_DataType(elem) {
	case onnxpb.TensorProto_FLOAT:
		return "float32"
	case onnxpb.TensorProto_DOUBLE:
		return "float64"
	}
	return strings.ToLower(onnxpb.TensorProto_DataType(elem).String())
}
