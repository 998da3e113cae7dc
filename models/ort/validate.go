package ort

import (
	"context"
	"fmt"
	"slices"

	onnx "github.com/yalue/onnxruntime_go"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/preprocess"
)

// ports are the names of a model's input and output, and its batch size where
// the model takes only one; else 0.
type ports struct {
	input, output string
	batch         int
	half          bool                       // the input is float16
	scores        onnx.TensorElementDataType // of the output
	row           []int64                    // see rowShape
}

// match finds the ports of a session that fit the contract.
func match(m *models.Model, inputs, outputs []port) (ports, error) {
	c := &m.Contract
	in, err := pick("input", m.InputName, inputs)
	if err != nil {
		return ports{}, err
	}
	if len(inputs) > 1 {
		return ports{}, fmt.Errorf("it has %d inputs, and an image fills only %q", len(inputs), in.name)
	}
	want := onnx.TensorElementDataType(onnx.TensorElementDataTypeUint8)
	if c.Preprocess.DType == preprocess.Float32 {
		want = onnx.TensorElementDataTypeFloat
	}
	half := want == onnx.TensorElementDataTypeFloat && onnx.TensorElementDataType(in.dtype) == onnx.TensorElementDataTypeFloat16
	if got := onnx.TensorElementDataType(in.dtype); got != want && !half {
		return ports{}, fmt.Errorf("input %q holds %s; the contract says %s", in.name, typeName(got), typeName(want))
	}
	if shape := imageShape(c.Preprocess, -1); !fits(in.shape, shape) {
		return ports{}, fmt.Errorf("input %q has the shape %s; the contract says %s: %s images of %d x %d pixels",
			in.name, shapeText(in.shape), shapeText(shape), c.Preprocess.Layout, c.Preprocess.Width, c.Preprocess.Height)
	}
	out, err := pick("output", m.OutputName, outputs)
	if err != nil {
		return ports{}, err
	}
	scores := onnx.TensorElementDataType(out.dtype)
	if got := scores; widths[got] == 0 {
		return ports{}, fmt.Errorf("output %q holds %s; %s is needed", out.name, typeName(got),
			typeName(onnx.TensorElementDataTypeFloat))
	}
	batch := int64(0)
	if len(in.shape) > 0 {
		batch = max(in.shape[0], 0)
	}
	row := rowShape(out.shape, int64(c.Classes), batch)
	if row == nil {
		shape := []int64{-1, int64(c.Classes)}
		return ports{}, fmt.Errorf("output %q has the shape %s; the contract says %s: a row of %d classes for every image",
			out.name, shapeText(out.shape), shapeText(shape), c.Classes)
	}
	return ports{input: in.name, output: out.name, batch: int(batch), half: half, scores: scores, row: row}, nil
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
		return port{}, fmt.Errorf("it has %d %ss, %q; the model must say which one to take", len(all), kind, names)
	}
	return all[0], nil
}

// fits tells whether two shapes can be the same. A negative size is any, and
// so is a shape of no axes, which is what ONNX Runtime shows for one unknown.
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

// probeImages is the size of the probe batch of a model that takes any: more
// than one image, so that a model that answers once a batch is found out.
const probeImages = 2

// probe scores a fixed pattern, which also builds what ONNX Runtime builds at
// the first run, and refuses a model whose answer is not what its contract
// says.
func (e *Engine) probe() error {
	n := probeImages
	if e.ports.batch > 0 {
		n = e.ports.batch
	}
	b, err := e.NewBatch(n)
	if err != nil {
		return err
	}
	for i, row := 0, len(b.Pixels)/n; i < n; i++ {
		fillPattern(b.Pixels[i*row:][:row], i, e.model.Contract.Preprocess)
	}
	if err := e.Score(context.Background(), b, 0, n); err != nil {
		if n > 1 && e.ports.batch == 0 && e.Score(context.Background(), b, 0, 1) == nil {
			return fmt.Errorf("%w: %s takes one image at a time: it scores one, and fails on a batch of %d, though its graph declares any;"+
				" run it with --batch 1, or export it with a batch that may vary", models.ErrModel, e.model.Path, n)
		}
		return explainProbe(err)
	}
	if err := judge(&e.model.Contract, b.Scores); err != nil {
		return fmt.Errorf("%w: %s, probe batch: %w", models.ErrModel, e.model.Path, err)
	}
	return nil
}

// fillPattern makes the pixels of one image that looks like nothing, but is no
// constant. Those after the first are darker, or every row might have the same sum
// by chance.
func fillPattern(pixels []byte, image int, s preprocess.Spec) {
	dark := image % 4
	if s.DType == preprocess.Float32 {
		scale := s.Scale
		if scale == 0 {
			scale = 1
		}
		for i, f := 0, floats(pixels); i < len(f); i++ {
			f[i] = float32(pattern(i)>>dark) * scale
		}
		return
	}
	for i := range pixels {
		pixels[i] = pattern(i) >> dark
	}
}

func pattern(i int) byte { return byte(i*31 ^ i>>7) }
