package models

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/batchscore/batchscore/deploy/shellquote"
	"github.com/batchscore/batchscore/models/graph/onnxpb"
	"github.com/batchscore/batchscore/models/onnxfile"
)

// readOutput takes over what the graph declares about the output that holds the
// scores: the only output, or the one that a layer names.
func (m *Model) readOutput(f *onnxfile.File, layers []Given) error {
	a := merge(layers)
	for _, l := range layers {
		if a.OutputName == "" && a.OutputNames == nil {
			a.OutputName = l.OutputName
		}
	}
	if taken, err := m.readTaskOutputs(f, a); taken {
		return err
	}
	name := a.OutputName
	i := slices.IndexFunc(f.Outputs, func(v onnxfile.ValueInfo) bool { return v.Name == name })
	switch {
	case name != "" && i < 0:
		return fmt.Errorf("has no output %q; it has %s", name, describe(f.Outputs))
	case name == "" && len(f.Outputs) != 1:
		return fmt.Errorf("has %d outputs (%s): say which one holds the scores%s%s",
			len(f.Outputs), describe(f.Outputs), outputFlags(f), zipMapHint(f, m.Path))
	case name == "":
		i = 0
	}
	out := f.Outputs[i]
	m.OutputName, m.outputs = out.Name, len(f.Outputs)
	if !isFloat(out) {
		return fmt.Errorf("output %s is not a row of scores: it must be float [N,classes]%s%s", out, indexHint(f, out), zipMapHint(f, m.Path))
	}
	if !out.Shaped || slices.Contains(out.Shape, -1) {
		out.Shape = inferredShape(f, out, m.InputShape[0])
	}
	row, ok := rowShape(out.Shape, m.InputShape[0])
	if !ok {
		if err := checkYOLO(f); err != nil {
			return err
		}
		return fmt.Errorf("output %s is not a row of scores: it must be float [N,classes]%s", f.Outputs[i], shapeHint(out.Shape))
	}
	m.OutputShape = row
	if b := row[0]; b > 0 && m.InputShape[0] > 0 && b != m.InputShape[0] {
		return fmt.Errorf("output %s has another batch size than the input, which has %d", out, m.InputShape[0])
	}
	out.Shape = row
	m.ending = ending{f.Ending(out)}
	m.features, m.featureSizes = f.Features(out)
	return nil
}

func isFloat(v onnxfile.ValueInfo) bool {
	return v.Elem == onnxpb.TensorProto_FLOAT || v.Elem == onnxpb.TensorProto_FLOAT16 || v.Elem == onnxpb.TensorProto_DOUBLE
}

// inferredShape fills in sizes that the graph does not declare, where they follow
// from its operators for one image. Unknown sizes stay -1.
func inferredShape(f *onnxfile.File, out onnxfile.ValueInfo, batch int64) []int64 {
	known := f.Shapes().Of(out.Name)
	switch {
	case known == nil && !out.Shaped:
		return []int64{-1, -1} // the engine will find out
	case known == nil || out.Shaped && len(known) != len(out.Shape):
		return out.Shape
	}
	shape := slices.Clone(known)
	if len(shape) > 0 {
		shape[0] = batch
		if out.Shaped {
			shape[0] = out.Shape[0]
		}
	}
	for i := range shape {
		if out.Shaped && out.Shape[i] > 0 {
			shape[i] = out.Shape[i]
		}
	}
	return shape
}

// rowShape returns [N,classes] for an output of that shape, without its axes of
// size 1; ok is false if the output is not a row. An output of one axis is a
// score for each image, or the row of the one image that the graph accepts.
func rowShape(shape []int64, batch int64) (row []int64, ok bool) {
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

// shapeHint says what kind of model has an output of that many axes.
func shapeHint(shape []int64) string {
	switch {
	case len(shape) == 3:
		return "; this looks like a detector's boxes or a sequence: of a detector, say how its boxes are arranged, as with --answer detect --detector yolov8"
	case len(shape) == 4:
		return "; this looks like a map of features or a segmentation, and batchscore scores classifiers: export it with its pooling and its last layer"
	}
	return ""
}

// indexHint says if an output holds the numbers of classes.
func indexHint(f *onnxfile.File, out onnxfile.ValueInfo) string {
	if e := f.Ending(out); e.IsIndex() {
		return fmt.Sprintf("; its graph %s: numbers of classes, and no scores; export it without that operator", e)
	}
	return ""
}

// outputFlags lists the flags for the outputs that may hold scores.
func outputFlags(f *onnxfile.File) string {
	var flags []string
	for _, out := range f.Outputs {
		if isFloat(out) {
			flags = append(flags, "--output-name "+shellquote.Quote(out.Name))
		}
	}
	if len(flags) == 0 {
		return "; none of them is a tensor of floats"
	}
	return " with " + strings.Join(flags[:min(len(flags), 8)], " or ")
}

// zipMapHint says how to get at scores that a ZipMap turns into a map.
func zipMapHint(f *onnxfile.File, path string) string {
	for i := range f.Nodes {
		n := &f.Nodes[i]
		if n.Op != "ZipMap" || len(n.Inputs) == 0 {
			continue
		}
		scores := n.Inputs[0]
		if slices.ContainsFunc(f.Outputs, func(v onnxfile.ValueInfo) bool { return v.Name == scores }) {
			return ""
		}
		input := ""
		if len(f.Inputs) == 1 {
			input = f.Inputs[0].Name
		}
		cut := fmt.Sprintf("import onnx.utils; onnx.utils.extract_model(%q, %q, [%q], [%q])",
			path, strings.TrimSuffix(path, filepath.Ext(path))+"-scores.onnx", input, scores)
		return fmt.Sprintf("; a ZipMap turns its scores into a map. They are in the tensor %q: cut the graph there with python3 -c %s",
			scores, shellquote.Quote(cut))
	}
	return ""
}

// describe lists the first few inputs or outputs for a message.
func describe(values []onnxfile.ValueInfo) string {
	var names []string
	for i, v := range values {
		if i == 8 {
			names = append(names, "...")
			break
		}
		names = append(names, v.String())
	}
	return strings.Join(names, ", ")
}
