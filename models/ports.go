package models

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/batchscore/batchscore/models/graph/onnxpb"
	"github.com/batchscore/batchscore/models/preprocess"
)

// layouts are the orders of an input's axes, as people call them.
var (
	layouts     = map[string]preprocess.Layout{"NCHW": preprocess.CHW, "NHWC": preprocess.HWC}
	layoutNames = map[preprocess.Layout]string{preprocess.CHW: "NCHW", preprocess.HWC: "NHWC"}
)

const (
	elemHalf   = int32(onnxpb.TensorProto_FLOAT16)
	elemDouble = int32(onnxpb.TensorProto_DOUBLE)
)

// readInput takes over what the graph declares of its input. What it leaves open
// of the order of the axes is answered by the layers, by the operators behind it, or
// by a preset, in this order.
func (m *Model) readInput(h *header, layers []Given) error {
	inputs := h.realInputs()
	if len(inputs) != 1 {
		return fmt.Errorf("has %d inputs (%s); an image model has one", len(inputs), describe(inputs))
	}
	in := inputs[0]
	m.InputName, m.InputShape = in.name, in.shape
	switch in.elem {
	case elemUint8:
		m.DType = preprocess.Uint8
	case elemFloat, elemHalf:
		m.DType, m.HalfInput = preprocess.Float32, in.elem == elemHalf
	default:
		return fmt.Errorf("input %s is not an image: it wants uint8 or float elements", in)
	}
	if !in.shaped {
		m.InputShape = []int64{-1, -1, -1, -1}
	}
	s := m.InputShape
	if len(s) != 4 {
		return fmt.Errorf("input %s is not an image: it wants the shape [N,H,W,3] or [N,3,H,W]", in)
	}
	first, last := s[1] == 3 || s[1] < 0, s[3] == 3 || s[3] < 0
	said := ""
	for _, l := range layers {
		if said == "" {
			said = l.Layout
		}
	}
	shown := preprocess.Layout("")
	if first && last {
		shown = h.layout(in.name)
	}
	switch want := layouts[said]; {
	case !first && !last:
		return fmt.Errorf("input %s is not an image: it wants the shape [N,H,W,3] or [N,3,H,W]", in)
	case want != "" && shown != "" && want != shown:
		return fmt.Errorf("input %s is not %s: the operators behind it take it as %s", in, said, layoutNames[shown])
	case want == preprocess.CHW && !first || want == preprocess.HWC && !last:
		return fmt.Errorf("input %s is not %s: that axis is no 3 channels", in, said)
	case want != "":
		m.Layout = want
	case s[3] == 3 || !first:
		m.Layout = preprocess.HWC
	case s[1] == 3 || !last:
		m.Layout = preprocess.CHW
	default:
		m.Layout = shown
		if i := slices.IndexFunc(layers, func(g Given) bool { return g.Preset == "torchvision" }); m.Layout == "" && i >= 0 {
			m.Layout = preprocess.CHW
		}
	}
	if m.DType == preprocess.Uint8 && m.Layout == preprocess.CHW {
		return fmt.Errorf("input %s takes bytes with the channels first, and batchscore makes bytes with the channels last only:"+
			" export it with an input of float, or of uint8 [N,H,W,3]", in)
	}
	return nil
}

// elementwise are operators that keep the axes of their first operand.
var elementwise = map[string]bool{
	"Identity": true, "Cast": true, "Sub": true, "Add": true, "Mul": true, "Div": true, "BatchNormalization": true, "Pad": true,
	"QuantizeLinear": true, "DequantizeLinear": true, "Clip": true, "Pow": true, "Resize": true, "Upsample": true,
}

// planes are operators that have their channels first.
var planes = map[string]bool{
	"Conv": true, "ConvInteger": true, "QLinearConv": true, "MaxPool": true, "AveragePool": true, "GlobalAveragePool": true, "GlobalMaxPool": true,
	"InstanceNormalization": true, "LRN": true, "SpaceToDepth": true,
}

// layout is the order of axes that the first operators on an input show; empty
// if they show none.
func (h *header) layout(input string) preprocess.Layout {
	values := map[string]bool{input: true}
	for i := range h.nodes {
		n := &h.nodes[i]
		if len(n.inputs) == 0 || len(n.outputs) == 0 || !slices.ContainsFunc(n.inputs, func(s string) bool { return values[s] }) {
			continue
		}
		switch {
		case n.op == "Shape":
		case elementwise[n.op]:
			values[n.outputs[0]] = true
		case n.op == "Transpose" && slices.Equal(n.ints["perm"], []int64{0, 3, 1, 2}):
			return preprocess.HWC
		case planes[n.op], n.op == "Transpose" && slices.Equal(n.ints["perm"], []int64{0, 2, 3, 1}):
			return preprocess.CHW
		default:
			return ""
		}
	}
	return ""
}

// readOutput takes over what the graph declares of the output that holds the
// scores: the only one, or the one that a layer names.
func (m *Model) readOutput(h *header, layers []Given) error {
	name := ""
	for _, l := range layers {
		if name == "" {
			name = l.OutputName
		}
	}
	i := slices.IndexFunc(h.outputs, func(t tensorInfo) bool { return t.name == name })
	switch {
	case name != "" && i < 0:
		return fmt.Errorf("has no output %q; it has %s", name, describe(h.outputs))
	case name == "" && len(h.outputs) != 1:
		return fmt.Errorf("has %d outputs (%s): say which one holds the scores%s%s", len(h.outputs), describe(h.outputs), h.candidates(), h.zipped(m.Path))
	case name == "":
		i = 0
	}
	out := h.outputs[i]
	m.OutputName, m.outputs = out.name, len(h.outputs)
	switch out.elem {
	case elemFloat, elemHalf, elemDouble:
	default:
		return fmt.Errorf("output %s is not a row of scores: it wants float [N,classes]%s%s", out, h.numbered(out), h.zipped(m.Path))
	}
	if !out.shaped || slices.Contains(out.shape, -1) {
		out.shape = h.inferred(out, m.InputShape[0])
	}
	row, ok := rowOf(out.shape, m.InputShape[0])
	if !ok {
		return fmt.Errorf("output %s is not a row of scores: it wants float [N,classes]%s", h.outputs[i], detector(out.shape))
	}
	m.OutputShape = row
	if b := row[0]; b > 0 && m.InputShape[0] > 0 && b != m.InputShape[0] {
		return fmt.Errorf("output %s has another batch than the input's %d", out, m.InputShape[0])
	}
	out.shape = row
	m.ending = h.ending(out)
	return nil
}

// inferred fills in sizes that the graph does not declare, where they follow
// from its operators for one image. Unknown ones stay -1.
func (h *header) inferred(out tensorInfo, batch int64) []int64 {
	known := infer(h).of[out.name]
	switch {
	case known == nil && !out.shaped:
		return []int64{-1, -1} // the engine sees it
	case known == nil || out.shaped && len(known) != len(out.shape):
		return out.shape
	}
	shape := slices.Clone(known)
	if len(shape) > 0 {
		shape[0] = batch
		if out.shaped {
			shape[0] = out.shape[0]
		}
	}
	for i := range shape {
		if out.shaped && out.shape[i] > 0 {
			shape[i] = out.shape[i]
		}
	}
	return shape
}

// rowOf is [N,classes] for an output of that shape, without its axes of 1; ok is
// false for one that is no row. An output of one axis is a score for each image,
// or the row of the one image that the graph takes.
func rowOf(shape []int64, batch int64) (row []int64, ok bool) {
	switch {
	case len(shape) == 1 && batch == 1:
		return []int64{1, shape[0]}, true
	case len(shape) == 1:
		return []int64{shape[0], 1}, true
	case len(shape) == 0:
		return nil, false
	}
	classes := int64(1)
	for _, d := range shape[1:] {
		switch {
		case d == 1:
		case classes != 1:
			return nil, false
		default:
			classes = d
		}
	}
	return []int64{shape[0], classes}, true
}

// detector says what an output of several axes looks like.
func detector(shape []int64) string {
	switch {
	case len(shape) == 3:
		return "; this looks like a detector's boxes or a sequence, and batchscore scores classifiers"
	case len(shape) == 4:
		return "; this looks like a map of features or a segmentation, and batchscore scores classifiers: export it with its pooling and its last layer"
	}
	return ""
}

// numbered reports whether an output holds numbers of classes.
func (h *header) numbered(out tensorInfo) string {
	if e := h.ending(out); e.numbers() {
		return fmt.Sprintf("; its graph %s: numbers of classes, and no scores; export it without that operator", e)
	}
	return ""
}

// candidates are the flags for the outputs that may hold scores.
func (h *header) candidates() string {
	var flags []string
	for _, out := range h.outputs {
		if out.elem == elemFloat || out.elem == elemHalf || out.elem == elemDouble {
			flags = append(flags, "--output-name "+quoted(out.name))
		}
	}
	if len(flags) == 0 {
		return "; none of them is a tensor of floats"
	}
	return " with " + strings.Join(flags[:min(len(flags), 8)], " or ")
}

// zipped names the scores before an operator that makes a map of them.
func (h *header) zipped(path string) string {
	for i := range h.nodes {
		n := &h.nodes[i]
		if n.op != "ZipMap" || len(n.inputs) == 0 {
			continue
		}
		if slices.ContainsFunc(h.outputs, func(t tensorInfo) bool { return t.name == n.inputs[0] }) {
			return ""
		}
		input := ""
		if in := h.realInputs(); len(in) == 1 {
			input = in[0].name
		}
		cut := fmt.Sprintf("import onnx.utils; onnx.utils.extract_model(%q, %q, [%q], [%q])",
			path, strings.TrimSuffix(path, filepath.Ext(path))+"-scores.onnx", input, n.inputs[0])
		return fmt.Sprintf("; a ZipMap makes a map of its scores, which are in the tensor %q: cut it there with python3 -c %s", n.inputs[0], quoted(cut))
	}
	return ""
}

// quoted is a name as a shell takes it.
func quoted(s string) string {
	if s != "" && strings.IndexFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_-./:", r))
	}) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

func describe(ts []tensorInfo) string {
	var names []string
	for i, t := range ts {
		if i == 8 {
			names = append(names, "...")
			break
		}
		names = append(names, t.String())
	}
	return strings.Join(names, ", ")
}
