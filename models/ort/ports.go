package ort

import (
	"fmt"
	"slices"

	onnx "github.com/yalue/onnxruntime_go"

	"github.com/batchscore/batchscore/models"
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
