package weights

import (
	"context"
	"path/filepath"

	"github.com/batchscore/batchscore/models/tfjs"
)

// layers is the weights of a TensorFlow.js layers model.
type layers struct {
	*tfjs.Weights
	list []Tensor
}

func openTFJS(ctx context.Context, path, dir string) (Source, error) {
	w, err := tfjs.OpenWeights(ctx, path, dir)
	if err != nil {
		return nil, err
	}
	s := &layers{Weights: w}
	for _, name := range w.Names() {
		shape, dtype := w.Describe(name)
		s.list = append(s.list, Tensor{name, shape, DType(dtype)})
	}
	return s, nil
}

// openTFJSFile opens the model whose model.json is this file.
func openTFJSFile(ctx context.Context, path string) (Source, error) {
	if filepath.Base(path) != "model.json" {
		return nil, bad("a JSON file that is not called model.json, as a TensorFlow.js layers model is")
	}
	return openTFJS(ctx, filepath.Dir(path), "")
}

// Tensors implements Source.
func (l *layers) Tensors() []Tensor { return l.list }

// Read implements Source.
func (l *layers) Read(name string, dst []float32) error {
	v, err := l.Values(name)
	if err != nil {
		return err
	}
	if len(v) != len(dst) {
		return bad("tensor %q has %d elements, not %d", name, len(v), len(dst))
	}
	copy(dst, v)
	return nil
}
