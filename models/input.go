package models

import (
	"fmt"
	"maps"
	"slices"

	"github.com/batchscore/batchscore/models/graph/onnxpb"
	"github.com/batchscore/batchscore/models/onnxfile"
	"github.com/batchscore/batchscore/models/preprocess"
)

// Layouts returns the orders of an input's axes, as flags and sidecars spell them.
func Layouts() []string { return slices.Sorted(maps.Keys(layouts)) }

// layouts are the orders of an input's axes, by the names that people use.
var (
	layouts     = map[string]preprocess.Layout{"NCHW": preprocess.CHW, "NHWC": preprocess.HWC}
	layoutNames = map[preprocess.Layout]string{preprocess.CHW: "NCHW", preprocess.HWC: "NHWC"}
)

// readInput takes over what the graph declares about its input.
func (m *Model) readInput(f *onnxfile.File, layers []Given) error {
	if len(f.Inputs) != 1 {
		return fmt.Errorf("has %d inputs (%s); an image model has one", len(f.Inputs), describe(f.Inputs))
	}
	in := f.Inputs[0]
	m.InputName, m.InputShape = in.Name, in.Shape
	switch in.Elem {
	case onnxpb.TensorProto_UINT8:
		m.DType = preprocess.Uint8
	case onnxpb.TensorProto_FLOAT, onnxpb.TensorProto_FLOAT16:
		m.DType, m.HalfInput = preprocess.Float32, in.Elem == onnxpb.TensorProto_FLOAT16
	default:
		return fmt.Errorf("input %s is not an image: its elements must be uint8 or float", in)
	}
	if !in.Shaped {
		m.InputShape = []int64{-1, -1, -1, -1}
	}
	if err := m.chooseLayout(f, layers); err != nil {
		return err
	}
	if m.DType == preprocess.Uint8 && m.Layout == preprocess.CHW && !m.Grey {
		return fmt.Errorf("input %s takes bytes with the channels first, but batchscore makes bytes with the channels last only:"+
			" export it with an input of float, or of uint8 [N,H,W,3]", in)
	}
	return nil
}

// chooseLayout finds the order of the input's axes. What its shape leaves open is
// answered by the layers, by the operators that follow the input, or by a preset,
// in this order.
func (m *Model) chooseLayout(f *onnxfile.File, layers []Given) error {
	in, s := f.Inputs[0], m.InputShape
	if len(s) != 4 {
		return notImage(in)
	}
	channels := int64(3)
	m.Grey = s[1] == 1 && s[3] != 3 || s[3] == 1 && s[1] != 3 ||
		s[1] < 0 && s[3] < 0 && slices.ContainsFunc(layers, func(g Given) bool { return g.Grey != nil })
	if m.Grey {
		channels = 1
	}
	// An axis of 1 that is first is the channel, whatever the width.
	first := s[1] == channels || s[1] < 0 && !(m.Grey && s[3] == 1)
	last := s[3] == channels || s[3] < 0 && !(m.Grey && s[1] == 1)
	answer := ""
	for _, l := range layers {
		if answer == "" {
			answer = l.Layout
		}
	}
	shown := preprocess.Layout("")
	if first && last {
		shown = layoutShown(f, in.Name)
	}
	switch want := layouts[answer]; {
	case !first && !last:
		return notImage(in)
	case want != "" && shown != "" && want != shown:
		return fmt.Errorf("input %s is not %s: the operators that follow it take it as %s", in, answer, layoutNames[shown])
	case want == preprocess.CHW && !first || want == preprocess.HWC && !last:
		return fmt.Errorf("input %s is not %s: that axis is not %d channels", in, answer, channels)
	case want != "":
		m.Layout = want
	case s[3] == channels || !first:
		m.Layout = preprocess.HWC
	case s[1] == channels || !last:
		m.Layout = preprocess.CHW
	case shown != "":
		m.Layout = shown
	case slices.ContainsFunc(layers, func(g Given) bool { return g.Preset == "torchvision" }):
		m.Layout = preprocess.CHW
	}
	return nil
}

func notImage(in onnxfile.ValueInfo) error {
	return fmt.Errorf("input %s is not an image: its shape must be [N,H,W,3] or [N,3,H,W], or with 1 channel for 3", in)
}

// axisKeeping are operators that keep the axes of their first operand.
var axisKeeping = map[string]bool{
	"Identity": true, "Cast": true, "Sub": true, "Add": true, "Mul": true, "Div": true, "BatchNormalization": true, "Pad": true,
	"QuantizeLinear": true, "DequantizeLinear": true, "Clip": true, "Pow": true, "Resize": true, "Upsample": true,
}

// channelsFirst are operators whose operand has the channels before height and
// width.
var channelsFirst = map[string]bool{
	"Conv": true, "ConvInteger": true, "QLinearConv": true, "MaxPool": true, "AveragePool": true,
	"GlobalAveragePool": true, "GlobalMaxPool": true, "InstanceNormalization": true, "LRN": true, "SpaceToDepth": true,
}

// layoutShown returns the order of axes that the first operators after an input
// need; "" if they do not tell.
func layoutShown(f *onnxfile.File, input string) preprocess.Layout {
	images := map[string]bool{input: true}
	for i := range f.Nodes {
		n := &f.Nodes[i]
		if len(n.Inputs) == 0 || len(n.Outputs) == 0 || !slices.ContainsFunc(n.Inputs, func(s string) bool { return images[s] }) {
			continue
		}
		switch {
		case n.Op == "Shape":
		case axisKeeping[n.Op]:
			images[n.Outputs[0]] = true
		case n.Op == "Transpose" && slices.Equal(n.Ints["perm"], []int64{0, 3, 1, 2}):
			return preprocess.HWC
		case channelsFirst[n.Op], n.Op == "Transpose" && slices.Equal(n.Ints["perm"], []int64{0, 2, 3, 1}):
			return preprocess.CHW
		default:
			return ""
		}
	}
	return ""
}
