package tfjs

import "context"

// Weights is the weights of a TensorFlow.js layers model without its topology.
// Several goroutines may call its methods at the same time, except Close.
type Weights struct {
	source  *source
	tensors tensors
	names   []string
}

// OpenWeights opens the weights of the model in source, a folder or a .tgz. dir is the
// model's folder in it, which may be empty if there is only one model. Errors about the
// content of the source wrap models.ErrModel.
func OpenWeights(ctx context.Context, source, dir string) (_ *Weights, err error) {
	src, err := openSource(ctx, source, dir)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			src.Close()
		}
	}()
	doc, err := src.readModel()
	if err != nil {
		return nil, err
	}
	w := &Weights{source: src}
	if w.tensors, w.names, err = src.openWeights(ctx, doc.Manifest); err != nil {
		return nil, err
	}
	return w, nil
}

// Names lists the tensors in the order of the manifest.
func (w *Weights) Names() []string { return w.names }

// Describe returns a tensor's shape and the type of its elements as stored:
// float32, uint8 or uint16.
func (w *Weights) Describe(name string) (shape []int64, dtype string) {
	t := w.tensors[name]
	if t == nil {
		return nil, ""
	}
	if t.quant != nil {
		return t.shape, t.quant.DType
	}
	return t.shape, "float32"
}

// Values reads a tensor in row-major order, dequantised.
func (w *Weights) Values(name string) ([]float32, error) {
	t := w.tensors[name]
	if t == nil {
		return nil, bad("there is no tensor %q", name)
	}
	return t.values()
}

// Source identifies the weights without naming the user's folders.
func (w *Weights) Source() string { return w.source.describe() }

// Digest returns "sha256:" and hex, of what "sha256sum MODEL SHARD..." prints.
func (w *Weights) Digest() (string, error) { return w.source.digest(), nil }

// Close closes the shards.
func (w *Weights) Close() error {
	w.source.Close()
	return nil
}
