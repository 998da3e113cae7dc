package models

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/batchscore/batchscore/deploy/shellquote"
	"github.com/batchscore/batchscore/models/onnxfile"
)

// Inspection is what a model file holds, whatever it is for.
type Inspection struct {
	Path string `json:"path"`
	// Kind is what the graph shows the model to be; empty if it does not tell.
	Kind   Kind   `json:"kind,omitempty"`
	Size   int64  `json:"size"` // of the file and the weight files next to it, in bytes
	Digest string `json:"digest"`
	Opset  int64  `json:"opset"`
	// Inputs and Outputs as the graph declares them; -1 is an axis of any size.
	Inputs  []Port `json:"inputs"`
	Outputs []Port `json:"outputs"`
	// Ending is what the graph's last operators say about the scores.
	Ending string `json:"ending,omitempty"`
	// Features is the tensor after the pooling, or before the last layer, which suits as a
	// vector of an image. Empty if the graph does not show it.
	Features string `json:"features,omitempty"`
	// FeatureNumbers is how many numbers it has for an image.
	FeatureNumbers int64 `json:"feature_numbers,omitempty"`
	// Operators are in order of how often they occur.
	Operators []OperatorCount `json:"operators"`
	// Parameters is the elements that training learns: weights, biases, and the
	// scale and bias of normalisations, without running means and variances.
	Parameters int64 `json:"parameters"`
	// Precision counts the parameters by their element type, as stored.
	Precision map[string]int64 `json:"precision"`
	// MultiplyAdds is those of convolutions and matrix products for one image;
	// nil where some of them could not be counted.
	MultiplyAdds *int64 `json:"multiply_adds"`
	// Unknown names the operators whose work could not be counted.
	Unknown []OperatorCount `json:"unknown,omitempty"`
	// Contract is the one that a run would use; nil if it cannot be known. Refused
	// then says why.
	Contract  *Contract `json:"contract"`
	Conflicts []string  `json:"conflicts,omitempty"`
	// Dependences are operators by which the row of an image depends on its
	// neighbours or on chance.
	Dependences []onnxfile.Dependence `json:"dependences,omitempty"`
	Refused     string                `json:"refused,omitempty"`
	// Questions are those that must be answered before a run; Refused has them, too.
	Questions    []Question `json:"questions,omitempty"`
	GoldenImages int        `json:"golden_images"`
}

// Port is a declared input or output of a graph.
type Port struct {
	Name  string  `json:"name"`
	Type  string  `json:"type"`
	Shape []int64 `json:"shape"`
	// Axes are the names of the axes of any size; empty for the others.
	Axes []string `json:"axes,omitempty"`
}

// OperatorCount is how often an operator occurs in a graph.
type OperatorCount struct {
	Op    string `json:"op"`
	Count int    `json:"count"`
}

// Inspect reads all of a model file but its weights. A file that is not a model
// is an error wrapping ErrModel. A model that a run would refuse is not an
// error.
func Inspect(path string, o OpenOptions) (*Inspection, error) {
	f, err := readFile(path)
	if err != nil {
		return nil, err
	}
	m := newModel(path, f)
	in := &Inspection{
		Path: path, Kind: KindOf(f), Size: m.Size, Digest: f.Digest, Opset: f.Opset,
		Inputs: portsOf(f.Inputs), Outputs: portsOf(f.Outputs),
		Precision: map[string]int64{}, Dependences: f.Dependences(),
	}
	ops := map[string]int{}
	for _, n := range f.Nodes {
		ops[n.Op]++
	}
	in.Operators = mostFrequent(ops)
	shapes := f.Shapes()
	if in.Unknown = mostFrequent(shapes.Uncounted); len(in.Unknown) == 0 {
		in.MultiplyAdds = &shapes.MultiplyAdds
	}
	for _, t := range f.Parameters() {
		n := max(t.Count(), 0)
		in.Parameters += n
		in.Precision[onnxfile.TypeName(t.Elem)] += n
	}
	err = m.complete(f, o)
	if m.OutputName != "" && m.OutputShape != nil {
		in.Ending = m.ending.String()
		in.Features, in.FeatureNumbers = m.Features()
	}
	if err != nil {
		in.Refused = err.Error()
		var open *OpenQuestions
		if errors.As(err, &open) {
			in.Questions = open.Questions
		}
		return in, nil
	}
	if !m.Contract.Classifies() {
		in.Features, in.FeatureNumbers = "", 0
	}
	in.Contract, in.Conflicts = &m.Contract, m.Conflicts
	if m.Golden != nil {
		in.GoldenImages = len(m.Golden.Images)
	}
	return in, nil
}

// Features returns the tensor that suits as a vector of an image, that after the pooling or
// before the last layer, and how many numbers it has for an image. The name is empty if the graph does not show it.
func (m *Model) Features() (tensor string, numbers int64) {
	numbers, _ = onnxfile.Row(m.featureSizes)
	return m.features, numbers
}

// cutHint says how to get vectors from a model of classes.
func (m *Model) cutHint() string {
	tensor, numbers := m.Features()
	if tensor == "" {
		return ""
	}
	file := strings.TrimSuffix(m.Path, filepath.Ext(m.Path)) + "-features.onnx"
	return fmt.Sprintf("; the %d numbers of its tensor %q, before its last layers, make vectors: batchscore models cut %s -o %s",
		numbers, tensor, shellquote.Quote(m.Path), shellquote.Quote(file))
}

func portsOf(values []onnxfile.ValueInfo) []Port {
	var list []Port
	for _, v := range values {
		p := Port{Name: v.Name, Type: onnxfile.TypeName(v.Elem), Shape: v.Shape, Axes: v.Axes}
		switch {
		case v.Kind != "":
			p.Type = v.Kind
		case !v.Shaped:
			p.Shape = nil
		}
		list = append(list, p)
	}
	return list
}

// mostFrequent lists operators in order of how often they occur, then by name.
func mostFrequent(counts map[string]int) []OperatorCount {
	var list []OperatorCount
	for op, n := range counts {
		list = append(list, OperatorCount{op, n})
	}
	slices.SortFunc(list, func(a, b OperatorCount) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Op, b.Op))
	})
	return list
}
