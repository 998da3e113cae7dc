package ort

import (
	"errors"
	"fmt"
	"slices"
	"unsafe"

	onnx "github.com/yalue/onnxruntime_go"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/float16"
	"github.com/batchscore/batchscore/models/preprocess"
)

// ports are a session's input and outputs as far as they matter here.
type ports struct {
	input   string // its name
	batch   int    // the only batch size that the model accepts; 0 means any
	half    bool   // the input is float16
	outputs []output
	// parts says which output each part of an image's numbers is from; width is how many
	// numbers there are in all.
	parts   []int
	width   int
	varying bool // the graph decides the size of an output
	// together are the outputs, for each head that detects, of which row i is about the same box
	// in all, and whose number of rows the graph decides.
	together [][]int
}

// match finds the ports of a session that fit the contract.
func match(m *models.Model, inputs, outputs []port) (ports, error) {
	c := &m.Contract
	in, err := pick("input", m.InputName, inputs)
	if err != nil {
		return ports{}, err
	}
	if len(inputs) > 1 {
		return ports{}, fmt.Errorf("it has %d inputs, but an image fills only %q", len(inputs), in.name)
	}
	want := onnx.TensorElementDataType(onnx.TensorElementDataTypeUint8)
	if c.Preprocess.DType == preprocess.Float32 {
		want = onnx.TensorElementDataTypeFloat
	}
	half := want == onnx.TensorElementDataTypeFloat && onnx.TensorElementDataType(in.dtype) == onnx.TensorElementDataTypeFloat16
	if got := onnx.TensorElementDataType(in.dtype); got != want && !half {
		return ports{}, fmt.Errorf("input %q holds %s, but the contract says %s", in.name, typeName(got), typeName(want))
	}
	if shape := imageShape(c.Preprocess, -1); !fits(in.shape, shape) {
		return ports{}, fmt.Errorf("input %q has the shape %s, but the contract says %s: %s images of %d x %d pixels",
			in.name, shapeText(in.shape), shapeText(shape), c.Preprocess.Layout, c.Preprocess.Width, c.Preprocess.Height)
	}
	batch := int64(0)
	if len(in.shape) > 0 {
		batch = max(in.shape[0], 0)
	}
	p := ports{input: in.name, half: half, width: c.Numbers(), varying: c.Varies()}
	if p.outputs, p.parts, err = matchOutputs(m, outputs, batch); err != nil {
		return ports{}, err
	}
	p.together = varyTogether(c, p.outputs, p.parts)
	if p.varying && batch > 1 {
		return ports{}, fmt.Errorf("it takes %d images at a time, and how many rows it gives for each cannot be told", batch)
	}
	if p.varying {
		batch = 1
	}
	p.batch = int(batch)
	return p, nil
}

// pick returns the port of that name, or the only one.
func pick(kind, name string, all []port) (port, error) {
	var names []string
	for _, p := range all {
		if p.name == name {
			return p, nil
		}
		names = append(names, p.name)
	}
	switch {
	case name != "":
		return port{}, fmt.Errorf("it has no %s %q; it has %q", kind, name, names)
	case len(all) != 1:
		return port{}, fmt.Errorf("it has %d %ss, %q; the model must say which one to use", len(all), kind, names)
	}
	return all[0], nil
}

// fits reports whether two shapes can be the same. A negative size matches any
// size. A shape without axes matches any shape, because ONNX Runtime shows an
// unknown shape that way.
func fits(a, b []int64) bool {
	return len(a) == 0 || slices.EqualFunc(a, b, func(x, y int64) bool { return x < 0 || y < 0 || x == y })
}

func shapeText(shape []int64) string {
	text := "["
	for i, n := range shape {
		if i > 0 {
			text += ","
		}
		if n < 0 {
			text += "N"
		} else {
			text += fmt.Sprint(n)
		}
	}
	return text + "]"
}

func typeName(t onnx.TensorElementDataType) string {
	switch t {
	case onnx.TensorElementDataTypeUndefined:
		return "no tensor"
	case onnx.TensorElementDataTypeUint8:
		return "uint8"
	case onnx.TensorElementDataTypeFloat:
		return "float32"
	case onnx.TensorElementDataTypeDouble:
		return "float64"
	case onnx.TensorElementDataTypeFloat16:
		return "float16"
	case onnx.TensorElementDataTypeInt64:
		return "int64"
	case onnx.TensorElementDataTypeString:
		return "string"
	}
	return t.String()
}

// output is one of a session's outputs that the contract uses.
type output struct {
	name    string
	elem    onnx.TensorElementDataType
	shape   []int64 // of n images, with perImage; that of a row is rowShape's
	numbers int     // of an image, models.Output.Numbers
	// varies says that the graph decides how many rows of width elements an image has, at
	// most most.
	varies      bool
	most, width int
}

// size returns the bytes of an image's elements outside of the batch's own memory.
func (o *output) size() int { return o.numbers * widths[o.elem] }

// widths are the sizes of the elements that outputs may have, in bytes.
var widths = map[onnx.TensorElementDataType]int{
	onnx.TensorElementDataTypeFloat: 4, onnx.TensorElementDataTypeFloat16: 2, onnx.TensorElementDataTypeDouble: 8,
	onnx.TensorElementDataTypeInt64: 8, onnx.TensorElementDataTypeInt32: 4, onnx.TensorElementDataTypeUint8: 1,
	onnx.TensorElementDataTypeInt8: 1, onnx.TensorElementDataTypeBool: 1,
}

func isFloat(t onnx.TensorElementDataType) bool {
	return t == onnx.TensorElementDataTypeFloat || t == onnx.TensorElementDataTypeFloat16 || t == onnx.TensorElementDataTypeDouble
}

// matchOutputs finds the outputs that the contract uses, each once, and for each part of
// an image's numbers the output that it is from.
func matchOutputs(m *models.Model, all []port, batch int64) (list []output, parts []int, err error) {
	c := &m.Contract
	at := map[string]int{}
	for i := range c.HeadCount() {
		h := c.Head(i)
		for _, want := range h.OutputsUsed() {
			if want.Name == "" {
				want.Name = m.OutputName
			}
			found, err := pick("output", want.Name, all)
			if err != nil {
				return nil, nil, err
			}
			o, err := matchOutput(found, want, len(h.Outputs) == 0, batch)
			if err != nil {
				return nil, nil, err
			}
			j, ok := at[found.name]
			if !ok {
				j = len(list)
				at[found.name] = j
				list = append(list, o)
			} else if list[j].numbers != o.numbers || list[j].varies != o.varies {
				return nil, nil, fmt.Errorf("two heads say different shapes of output %q", found.name)
			}
			parts = append(parts, j)
		}
	}
	return list, parts, nil
}

// varyTogether returns ports.together.
func varyTogether(c *models.Contract, list []output, parts []int) (groups [][]int) {
	for i := range c.HeadCount() {
		h := c.Head(i)
		n := len(h.OutputsUsed())
		var group []int
		for _, j := range parts[:n] {
			if list[j].varies {
				group = append(group, j)
			}
		}
		if parts = parts[n:]; h.Task == models.Detect && len(group) > 1 {
			groups = append(groups, group)
		}
	}
	return groups
}

func matchOutput(found port, want models.Output, row bool, batch int64) (o output, err error) {
	o = output{name: found.name, elem: onnx.TensorElementDataType(found.dtype), numbers: want.Numbers(), varies: want.Varies}
	if widths[o.elem] == 0 || row && !isFloat(o.elem) {
		return o, fmt.Errorf("output %q holds %s; it must hold %s", found.name, typeName(o.elem), typeName(onnx.TensorElementDataTypeFloat))
	}
	if row {
		classes := int64(want.Shape[0])
		if o.shape = rowShape(found.shape, classes, batch); o.shape == nil {
			return o, fmt.Errorf("output %q has the shape %s, but the contract says %s: a row of %d classes for every image",
				found.name, shapeText(found.shape), shapeText([]int64{-1, classes}), classes)
		}
		return o, nil
	}
	o.shape = []int64{perImage}
	for _, d := range want.Shape {
		o.shape = append(o.shape, int64(d))
	}
	fit := o.shape
	if want.Varies {
		o.most, o.width = want.Shape[0], 1
		for _, d := range want.Shape[1:] {
			o.width *= d
		}
		fit = append([]int64{-1, -1}, o.shape[2:]...)
	}
	switch single := want.Varies || batch == 1; {
	case fits(found.shape, fit):
	case single && fits(found.shape, fit[1:]):
		o.shape = o.shape[1:] // the graph has no axis for the one image
	default:
		return o, fmt.Errorf("output %q has the shape %s, but the contract says %s", found.name, shapeText(found.shape), shapeText(fit))
	}
	return o, nil
}

// tensorShape returns the shape of the output for n images.
func (o *output) tensorShape(n int64) onnx.Shape {
	shape := onnx.Shape{}
	for _, d := range o.shape {
		if d == perImage {
			d = n
		}
		shape = append(shape, d)
	}
	return shape
}

// direct reports whether ONNX Runtime writes the scores where the batch has them: the
// model has one output of float32 that is used once.
func (p *ports) direct() bool {
	return len(p.parts) == 1 && p.outputs[0].elem == onnx.TensorElementDataTypeFloat && !p.outputs[0].varies
}

// bindOutputs makes the tensors of a window's outputs and binds them.
func (b *batch) bindOutputs(w *window, lo, hi int) error {
	p := &b.engine.ports
	for i := range p.outputs {
		o := &p.outputs[i]
		name := newCName(o.name)
		w.outputNames = append(w.outputNames, name)
		if o.varies {
			w.outputs = append(w.outputs, nil)
			if err := b.engine.api.bindAny(w.run.binding, name.c); err != nil {
				return err
			}
			continue
		}
		v, err := b.output(i, lo, hi)
		if err != nil {
			return err
		}
		w.outputs = append(w.outputs, v)
		if err := w.binding.BindOutput(o.name, v); err != nil {
			return err
		}
	}
	return nil
}

// output returns the tensor of an output of images lo <= i < hi.
func (b *batch) output(i, lo, hi int) (onnx.Value, error) {
	p := &b.engine.ports
	o := &p.outputs[i]
	shape := o.tensorShape(int64(hi - lo))
	if p.direct() {
		return onnx.NewTensor(shape, b.scores[lo*o.numbers:hi*o.numbers])
	}
	size := o.size()
	memory := b.stage.outputs[i][lo*size : hi*size]
	switch o.elem {
	case onnx.TensorElementDataTypeFloat:
		return onnx.NewTensor(shape, floats(memory))
	default:
		return onnx.NewCustomDataTensor(shape, memory, o.elem)
	}
}

// rebindVarying prepares outputs for the next run whose last values have another size.
func (b *batch) rebindVarying(w *window) error {
	for i := range b.engine.ports.outputs {
		if b.engine.ports.outputs[i].varies {
			if err := b.engine.api.bindAny(w.run.binding, w.outputNames[i].c); err != nil {
				return err
			}
		}
	}
	return nil
}

// collect brings what a run of images lo <= i < hi gave into the batch's scores.
func (b *batch) collect(w *window, lo, hi int) error {
	p := &b.engine.ports
	if p.direct() {
		return nil
	}
	if p.varying {
		if err := b.collectVarying(w, lo); err != nil {
			return err
		}
	}
	at := 0
	for _, j := range p.parts {
		o := &p.outputs[j]
		if !o.varies {
			size := o.size()
			for i := lo; i < hi; i++ {
				to := b.scores[i*p.width+at:][:o.numbers]
				toFloats(to, unsafe.Pointer(unsafe.SliceData(b.stage.outputs[j][i*size:])), o.elem)
			}
		}
		at += o.numbers
	}
	return nil
}

// collectVarying copies the outputs whose size the graph decides, of one image.
func (b *batch) collectVarying(w *window, image int) error {
	p := &b.engine.ports
	given := make([]int, len(p.outputs)) // rows of each output
	err := b.engine.api.tensors(w.run.binding, func(j int, t port, data unsafe.Pointer) error {
		o := &p.outputs[j]
		if !o.varies {
			return nil
		}
		rows, err := o.rowsOf(t)
		if err != nil {
			return fmt.Errorf("%w: %s: output %q: %w", models.ErrModel, b.engine.model.Path, o.name, err)
		}
		given[j] = rows
		at := 0
		for _, part := range p.parts {
			if part == j {
				to := b.scores[image*p.width+at:][:o.numbers]
				toFloats(to[:rows*o.width], data, o.elem)
				clear(to[rows*o.width:])
			}
			at += p.outputs[part].numbers
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := p.sameRows(given); err != nil {
		return fmt.Errorf("%w: %s: %w", models.ErrModel, b.engine.model.Path, err)
	}
	return nil
}

// sameRows returns an error if outputs that are about the same boxes have other numbers of rows.
func (p *ports) sameRows(given []int) error {
	for _, group := range p.together {
		for _, j := range group[1:] {
			if first := group[0]; given[j] != given[first] {
				return fmt.Errorf("output %q has %d rows for an image, and output %q has %d: a row of each is one box",
					p.outputs[first].name, given[first], p.outputs[j].name, given[j])
			}
		}
	}
	return nil
}

// rowsOf returns how many rows a tensor of such an output has.
func (o *output) rowsOf(t port) (rows int, err error) {
	shape := t.shape
	if len(o.shape) > 0 && o.shape[0] == perImage {
		if len(shape) == 0 || shape[0] != 1 {
			return 0, fmt.Errorf("it has the shape %s for one image", shapeText(shape))
		}
		shape = shape[1:]
	}
	width := 1
	for _, d := range shape[min(1, len(shape)):] {
		width *= int(d)
	}
	switch {
	case len(shape) == 0:
		return 0, errors.New("it has no axes")
	case onnx.TensorElementDataType(t.dtype) != o.elem:
		return 0, fmt.Errorf("it holds %s, and the graph declares %s", typeName(onnx.TensorElementDataType(t.dtype)), typeName(o.elem))
	case shape[0] < 0 || shape[0] > int64(o.most):
		return 0, fmt.Errorf("it has %d rows for an image, and the contract makes room for %d", shape[0], o.most)
	case shape[0] > 0 && width != o.width:
		return 0, fmt.Errorf("it has the shape %s: rows of %d numbers, and the contract says %d", shapeText(t.shape), width, o.width)
	}
	return int(shape[0]), nil
}

// toFloats fills to with elements of that type. Whole numbers beyond 2^24 are rounded.
func toFloats(to []float32, from unsafe.Pointer, elem onnx.TensorElementDataType) {
	n := len(to)
	switch elem {
	case onnx.TensorElementDataTypeFloat:
		copy(to, unsafe.Slice((*float32)(from), n))
	case onnx.TensorElementDataTypeFloat16:
		for i, v := range unsafe.Slice((*uint16)(from), n) {
			to[i] = float16.Value(v)
		}
	case onnx.TensorElementDataTypeDouble:
		widen(to, unsafe.Slice((*float64)(from), n))
	case onnx.TensorElementDataTypeInt64:
		widen(to, unsafe.Slice((*int64)(from), n))
	case onnx.TensorElementDataTypeInt32:
		widen(to, unsafe.Slice((*int32)(from), n))
	case onnx.TensorElementDataTypeInt8:
		widen(to, unsafe.Slice((*int8)(from), n))
	default:
		widen(to, unsafe.Slice((*uint8)(from), n))
	}
}

func widen[T float64 | int64 | int32 | int8 | uint8](to []float32, from []T) {
	for i, v := range from {
		to[i] = float32(v)
	}
}
