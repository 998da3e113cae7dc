package models

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/batchscore/batchscore/models/graph/onnxpb"
	"github.com/batchscore/batchscore/models/labels"
	"github.com/batchscore/batchscore/models/onnxfile"
)

// maxRows is how many rows of an output are kept whose number the graph decides.
const maxRows = 10_000

// used is what the answers of one head are made of, as the graph declares it.
type used struct {
	outputs []Output // nil for a row of classes
	classes int      // 0 if the graph does not tell
}

// notBoxes are the values of Ultralytics' metadata task of models whose outputs are not only
// boxes with classes.
var notBoxes = map[string]Kind{"pose": KindPose, "segment": KindSegmenter, "obb": KindRotated}

// checkYOLO refuses as a detector what the metadata of a YOLO says is another model: its further
// numbers, such as key points, would count as scores of classes.
func checkYOLO(f *onnxfile.File) error {
	task, _ := f.Lookup("task")
	if kind, ok := notBoxes[task]; ok {
		return fmt.Errorf("its metadata says task: %s: it is %s, which batchscore does not take as a classifier or as a detector of boxes", task, kind)
	}
	return nil
}

// checkNames compares the number of classes that a YOLO's output has with that of the names in
// its metadata.
func (m *Model) checkNames(f *onnxfile.File, d Detector) error {
	text, ok := f.Lookup("names")
	if !ok || m.used.classes == 0 || d == DETR {
		return nil
	}
	l, err := labels.Parse("names", []byte(text), 0)
	if err == nil && len(l.Names) > 0 && len(l.Names) != m.used.classes {
		return fmt.Errorf("its metadata names %d classes, and its output %s, read as a detector %s, has %d: it is another detector or another kind of model",
			len(l.Names), shapesText(m.used.outputs), d, m.used.classes)
	}
	return nil
}

// readTaskOutputs takes over what the graph declares about the outputs of a task that takes
// other things than a row of classes. taken is false for a task that takes a row.
func (m *Model) readTaskOutputs(f *onnxfile.File, a *merged) (taken bool, err error) {
	task := Classify
	if a.Task != nil {
		task = *a.Task
	}
	var found []Output
	switch {
	case task == Detect:
		if err = checkYOLO(f); err != nil {
			return true, err
		}
		if found, err = m.detectorOutputs(f, a); err != nil {
			return true, err
		}
		if err = m.readDetector(a, found); err == nil {
			err = m.checkNames(f, *a.Detector)
		}
	case len(a.OutputNames) > 0 && (task == Embed || task == Raw):
		if found, err = m.namedOutputs(f, a, a.OutputNames); err == nil {
			err = m.readVector(found)
		}
	case task == Embed || task == Raw:
		name := a.OutputName
		if name == "" && len(f.Outputs) == 1 {
			name = f.Outputs[0].Name
		}
		i := slices.IndexFunc(f.Outputs, func(v onnxfile.ValueInfo) bool { return v.Name == name })
		if i < 0 {
			return false, nil // the caller says what is wrong
		}
		out := f.Outputs[i]
		if shape := inferredShape(f, out, m.InputShape[0]); !isNumber(out) || isFloat(out) && rowLike(shape, m.InputShape[0]) {
			return false, nil
		}
		if found, err = m.namedOutputs(f, a, []string{name}); err == nil {
			err = m.readVector(found)
		}
	case len(a.OutputNames) > 0:
		return true, fmt.Errorf("output_names has several outputs, which the task %s does not take: say output_name, or give each output a head", task)
	default:
		return false, nil
	}
	m.outputs = len(f.Outputs)
	return true, err
}

// rowLike reports whether an output of that shape is a row of numbers for each image.
func rowLike(shape []int64, batch int64) bool {
	_, ok := rowShape(shape, batch)
	return ok
}

// namedOutputs returns the outputs of those names, with the shape of one image.
func (m *Model) namedOutputs(f *onnxfile.File, a *merged, names []string) (list []Output, err error) {
	for n, name := range names {
		i := slices.IndexFunc(f.Outputs, func(v onnxfile.ValueInfo) bool { return v.Name == name })
		if i < 0 {
			return nil, fmt.Errorf("has no output %q; it has %s", name, describe(f.Outputs))
		}
		o, err := m.outputOf(f, a, f.Outputs[i], a.lastAxis(n))
		if err != nil {
			return nil, err
		}
		list = append(list, o)
	}
	return list, nil
}

// lastAxis returns the size that the last axis of output n of a detector has by its arrangement,
// for a graph that leaves it open; -1 if that is not known.
func (a *merged) lastAxis(n int) int64 {
	if !a.is(Detect) || a.Detector == nil {
		return -1
	}
	s := Settings{Detector: *a.Detector, Background: a.Background != nil && *a.Background}
	shapes := s.arrangement(len(a.Labels))
	if n >= len(shapes) || len(shapes[n]) != 2 || *a.Detector == YOLOv8 || n == 0 && *a.Detector != BoxesLabelsScores && len(a.Labels) == 0 {
		return -1
	}
	return int64(shapes[n][1])
}

// outputOf returns a graph's output as one image fills it. last is the size of its last axis if the
// graph leaves it open; -1 if it is not known.
func (m *Model) outputOf(f *onnxfile.File, a *merged, v onnxfile.ValueInfo, last int64) (Output, error) {
	if !isNumber(v) {
		return Output{}, fmt.Errorf("output %s is not a tensor of numbers", v)
	}
	shape := inferredShape(f, v, m.InputShape[0])
	if !v.Shaped && f.Shapes().Of(v.Name) == nil {
		return Output{}, fmt.Errorf("output %q has a shape that the graph does not tell; infer it with python3 -c"+
			" 'import onnx; m = onnx.load(\"IN\"); onnx.save(onnx.shape_inference.infer_shapes(m), \"OUT\")'", v.Name)
	}
	o := Output{Name: v.Name}
	if m.forBatch(f, v, shape) {
		shape = shape[1:]
	}
	for i, d := range shape {
		if d < 0 {
			d = m.anchors(a, shape, i)
		}
		if d < 0 && i > 0 && i == len(shape)-1 {
			d = last
		}
		switch {
		case d > 0:
			o.Shape = append(o.Shape, int(d))
		case i == 0:
			o.Varies = true
			o.Shape = append(o.Shape, maxRows)
		default:
			return Output{}, fmt.Errorf("output %s has an axis of unknown size, which is not that of rows; export it with fixed sizes", v)
		}
	}
	return o, nil
}

// forBatch reports whether the first axis of an output is that of the images.
func (m *Model) forBatch(f *onnxfile.File, v onnxfile.ValueInfo, shape []int64) bool {
	batch := m.InputShape[0]
	if len(shape) == 0 {
		return false
	}
	if batch > 0 {
		return shape[0] == batch && (batch > 1 || len(shape) > 1)
	}
	if shape[0] > 0 {
		return false
	}
	in, out := "", ""
	if axes := f.Inputs[0].Axes; len(axes) > 0 {
		in = axes[0]
	}
	if len(v.Axes) > 0 {
		out = v.Axes[0]
	}
	return in == out || in == "" || out == ""
}

// anchors returns the size of an axis of a YOLO model that the graph leaves open: it has one
// box, or three for the older ones, in each cell of grids of 8, 16 and 32 pixels. -1 is
// unknown.
func (m *Model) anchors(a *merged, shape []int64, axis int) int64 {
	width, height := m.side()
	if a.Width != nil && width < 0 {
		width = int64(*a.Width)
	}
	if a.Height != nil && height < 0 {
		height = int64(*a.Height)
	}
	if a.Detector == nil || width < 0 || height < 0 || len(shape) != 2 {
		return -1
	}
	cells := int64(0)
	for _, stride := range []int64{8, 16, 32} {
		cells += (width / stride) * (height / stride)
	}
	switch {
	case *a.Detector == YOLOv8 && axis == 1, *a.Detector == YOLOX && axis == 0:
		return cells
	case *a.Detector == YOLOv5 && axis == 0:
		return 3 * cells
	}
	return -1
}

func isNumber(v onnxfile.ValueInfo) bool {
	switch v.Elem {
	case onnxpb.TensorProto_INT64, onnxpb.TensorProto_INT32, onnxpb.TensorProto_INT8, onnxpb.TensorProto_UINT8, onnxpb.TensorProto_BOOL:
		return true
	}
	return isFloat(v)
}

// readVector takes all numbers of some outputs for those of a vector.
func (m *Model) readVector(outputs []Output) error {
	n := 0
	for _, o := range outputs {
		if o.Varies {
			return fmt.Errorf("output %q has %d numbers for some images and others for others; a vector has the same for all", o.Name, o.Numbers())
		}
		n += o.Numbers()
	}
	m.used = used{outputs: outputs, classes: n}
	m.OutputShape = []int64{m.InputShape[0], int64(n)}
	return nil
}

// roles are the outputs of a detector, in the order of its numbers, with what tells each
// from the others.
var roles = map[Detector][]role{
	DETR: {
		{name: "scores", fits: func(v onnxfile.ValueInfo, shape []int64) bool { return isFloat(v) && len(shape) == 2 && shape[1] != 4 }},
		{name: "boxes", fits: func(v onnxfile.ValueInfo, shape []int64) bool { return isFloat(v) && len(shape) == 2 && shape[1] == 4 }},
	},
	BoxesLabelsScores: {
		{name: "boxes", fits: func(v onnxfile.ValueInfo, shape []int64) bool { return isFloat(v) && len(shape) == 2 && shape[1] == 4 }},
		{name: "numbers of classes", fits: func(v onnxfile.ValueInfo, shape []int64) bool { return !isFloat(v) && len(shape) == 1 }},
		{name: "scores", fits: func(v onnxfile.ValueInfo, shape []int64) bool { return isFloat(v) && len(shape) == 1 }},
	},
}

type role struct {
	name string
	fits func(v onnxfile.ValueInfo, shape []int64) bool
}

// detectorOutputs returns the outputs that a detector's boxes are in: those that are named,
// or those that can be nothing else.
func (m *Model) detectorOutputs(f *onnxfile.File, a *merged) ([]Output, error) {
	names := a.OutputNames
	if len(names) == 0 && a.OutputName != "" {
		names = []string{a.OutputName}
	}
	if a.Detector == nil {
		return nil, fmt.Errorf("its task is %s: how are its boxes arranged? Its outputs are %s; say --detector %s",
			Detect, describe(f.Outputs), strings.Join(Detectors(), "|"))
	}
	parts := roles[*a.Detector]
	want := max(len(parts), 1)
	switch {
	case len(names) > 0 && len(names) != want:
		return nil, fmt.Errorf("%d outputs are named, and a detector %s has %d%s", len(names), *a.Detector, want, rolesText(parts))
	case len(names) > 0:
	case want == 1 && len(f.Outputs) == 1:
		names = []string{f.Outputs[0].Name}
	case want == 1:
		return nil, fmt.Errorf("has %d outputs (%s): say which one holds the boxes%s", len(f.Outputs), describe(f.Outputs), outputFlags(f))
	default:
		for _, p := range parts {
			var fit []string
			for _, v := range f.Outputs {
				shape := inferredShape(f, v, m.InputShape[0])
				if m.forBatch(f, v, shape) {
					shape = shape[1:]
				}
				if p.fits(v, shape) {
					fit = append(fit, v.Name)
				}
			}
			if len(fit) != 1 {
				return nil, fmt.Errorf("which outputs are those of a detector %s%s? It has %s; say output_names",
					*a.Detector, rolesText(parts), describe(f.Outputs))
			}
			names = append(names, fit[0])
		}
	}
	return m.namedOutputs(f, a, names)
}

func rolesText(parts []role) string {
	var names []string
	for _, p := range parts {
		names = append(names, p.name)
	}
	if len(names) == 0 {
		return ""
	}
	return " (" + strings.Join(names, ", ") + ")"
}

// readDetector finds in the shapes how many classes a detector tells apart.
func (m *Model) readDetector(a *merged, outputs []Output) error {
	u := used{outputs: outputs}
	first := outputs[0].Shape
	wrong := fmt.Errorf("its outputs %s are not those of a detector %s", shapesText(outputs), *a.Detector)
	dims := func(o Output, want int) bool { return len(o.Shape) == want }
	switch *a.Detector {
	case YOLOv8:
		if !dims(outputs[0], 2) || first[0] < 5 || outputs[0].Varies {
			return wrong
		}
		u.classes = first[0] - 4
	case YOLOv5, YOLOX:
		if !dims(outputs[0], 2) || first[1] < 6 {
			return wrong
		}
		u.classes = first[1] - 5
	case DETR:
		if !dims(outputs[0], 2) || !dims(outputs[1], 2) || outputs[1].Shape[1] != 4 || first[0] != outputs[1].Shape[0] {
			return wrong
		}
		u.classes = first[1]
		if a.Background != nil && *a.Background {
			u.classes--
		}
	case Boxes:
		if !dims(outputs[0], 2) || first[1] != 6 {
			return wrong
		}
	case BoxesLabelsScores:
		if !dims(outputs[0], 2) || !dims(outputs[1], 1) || !dims(outputs[2], 1) || first[1] != 4 ||
			first[0] != outputs[1].Shape[0] || first[0] != outputs[2].Shape[0] {
			return wrong
		}
	}
	m.used = u
	m.OutputShape = []int64{m.InputShape[0], int64(cmp.Or(u.classes, -1))}
	return nil
}

func shapesText(outputs []Output) string {
	var all []string
	for _, o := range outputs {
		all = append(all, fmt.Sprintf("%q %v", o.Name, o.Shape))
	}
	return strings.Join(all, ", ")
}

// checkOutputs compares the outputs in the contract with those of the graph.
func (m *Model) checkOutputs() error {
	same := slices.EqualFunc(m.Contract.Outputs, m.used.outputs, func(a, b Output) bool {
		return a.Name == b.Name && a.Varies == b.Varies && len(a.Shape) == len(b.Shape) &&
			slices.Equal(a.fixed(), b.fixed())
	})
	if !same {
		return fmt.Errorf("contract and graph disagree on the outputs: %s in the contract, %s in the graph",
			cmp.Or(shapesText(m.Contract.Outputs), "a row"), cmp.Or(shapesText(m.used.outputs), "a row"))
	}
	return nil
}

// fixed returns the sizes that are the same for all images.
func (o *Output) fixed() []int {
	if o.Varies {
		return o.Shape[1:]
	}
	return o.Shape
}
