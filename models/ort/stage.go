package ort

import (
	"fmt"
	"math"
	"unsafe"

	onnx "github.com/yalue/onnxruntime_go"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/float16"
	"github.com/batchscore/batchscore/models/preprocess"
)

// stage is memory in addition to a batch's own, for a model with other element
// types than the batch, such as float16 pixels or float64 scores, or with several
// outputs. The zero value is for a model that needs none.
type stage struct {
	memory  []byte
	pixels  []uint16
	outputs [][]byte // of each output; empty for one that varies
}

// newStage allocates the memory that the engine's model needs for capacity images.
func (e *Engine) newStage(capacity int) (s stage, err error) {
	c := &e.model.Contract
	pixels, scores := 0, 0
	if e.ports.half {
		pixels = (capacity*c.Preprocess.RowBytes()/2 + 63) &^ 63
	}
	var sizes []int
	if !e.ports.direct() {
		for i := range e.ports.outputs {
			size := 0
			if o := &e.ports.outputs[i]; !o.varies {
				if o.size() > (math.MaxInt-pixels-scores-63)/capacity {
					return s, fmt.Errorf("%w: more than can be addressed", models.ErrHostMemory)
				}
				size = capacity * o.size()
			}
			sizes = append(sizes, size)
			scores += (size + 63) &^ 63
		}
	}
	if pixels+scores == 0 {
		s.outputs = make([][]byte, len(sizes))
		return s, nil
	}
	if s.memory, err = e.memory.get(pixels + scores); err != nil {
		return s, err
	}
	s.pixels = unsafe.Slice((*uint16)(unsafe.Pointer(unsafe.SliceData(s.memory))), pixels/2)
	rest := s.memory[pixels:]
	for _, size := range sizes {
		s.outputs = append(s.outputs, rest[:size:size])
		rest = rest[(size+63)&^63:]
	}
	return s, nil
}

// input returns the tensor of images lo <= i < hi of a batch.
func (b *batch) input(lo, hi int) (onnx.Value, error) {
	spec := b.engine.model.Contract.Preprocess
	row, n := spec.RowBytes(), int64(hi-lo)
	if !b.engine.ports.half {
		return inputTensor(spec, n, b.pixels[lo*row:hi*row])
	}
	own := b.stage.memory[lo*row/2 : hi*row/2]
	return onnx.NewCustomDataTensor(imageShape(spec, n), own, onnx.TensorElementDataTypeFloat16)
}

// inputBytes returns what input is a tensor over, and the type of its elements.
func (b *batch) inputBytes(lo, hi int) ([]byte, onnx.TensorElementDataType) {
	spec := b.engine.model.Contract.Preprocess
	row := spec.RowBytes()
	switch {
	case b.engine.ports.half:
		return b.stage.memory[lo*row/2 : hi*row/2], onnx.TensorElementDataTypeFloat16
	case spec.DType == preprocess.Float32:
		return b.pixels[lo*row : hi*row], onnx.TensorElementDataTypeFloat
	}
	return b.pixels[lo*row : hi*row], onnx.TensorElementDataTypeUint8
}

// convertPixels converts the pixels of images lo <= i < hi before they are scored.
func (b *batch) convertPixels(lo, hi int) {
	if !b.engine.ports.half {
		return
	}
	row := b.engine.model.Contract.Preprocess.RowBytes()
	to := b.stage.pixels[lo*row/4 : hi*row/4]
	for i, v := range floats(b.pixels[lo*row : hi*row]) {
		to[i] = float16.Bits(v)
	}
}

// perImage stands for the number of images in a shape of rows.
const perImage = -1

// rowShape returns the shape of rows of that many classes in an output of the given
// shape, or nil if they do not fit. In the given shape, a negative size is any, and
// an empty shape is unknown. Axes of size 1 may be anywhere after the first axis. An
// output of one axis is a score for each image, or the row of the one image that the
// model accepts.
func rowShape(shape []int64, classes, batch int64) []int64 {
	switch {
	case len(shape) == 0:
		return []int64{perImage, classes}
	case len(shape) == 1 && batch == 1 && (shape[0] == classes || shape[0] < 0):
		return []int64{classes}
	case len(shape) == 1 && classes == 1:
		return []int64{perImage}
	case len(shape) == 1:
		return nil
	}
	row, at := []int64{perImage}, -1
	for i, d := range shape[1:] {
		if d != 1 && (at < 0 || shape[1:][at] < 0 && d == classes) {
			at = i
		}
		row = append(row, 1)
	}
	if at < 0 {
		at = 0
	}
	row[at+1] = classes
	for i, d := range shape[1:] {
		if d >= 0 && d != row[i+1] {
			return nil
		}
	}
	return row
}
