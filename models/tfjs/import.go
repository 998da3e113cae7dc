// Package tfjs imports image classifiers from the formats of TensorFlow.js, and writes them
// as ONNX: layers models, a Keras topology in JSON with its weights in binary shards, and
// graph models, whose topology is a graph of TensorFlow's operations.
//
// An import has these steps:
//
//  1. Open the source: a folder, an npm package's folder, or the .tgz that "npm pack"
//     writes (source.go, archive.go).
//  2. Read the model file, which is JSON or a JavaScript module around it (module.go).
//  3. Compare the weights manifest with the shards and find each tensor in them
//     (manifest.go).
//  4. Convert the topology layer by layer (topology.go, layers.go, mobile.go), or node by
//     node (graphmodel.go, graphops.go). Layers look tensors up by name and shape.
//  5. Write the model with its contract, dequantising one tensor at a time.
//
// The bytes written depend only on the source and the options.
package tfjs

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/graph"
	"github.com/batchscore/batchscore/models/preprocess"
)

// Options supply what the source does not say.
type Options struct {
	// Path of the model's folder inside the source, slash-separated. It may be empty
	// if the source holds only one model.
	Path string
	// Labels name the classes in order. Without them, the source's own labels are used
	// if it has any, as the npm package nsfwjs does.
	Labels []string
	// Name of the model in its contract; by default the name of its folder.
	Name string
	// Activation is what the raw scores are of a model that ends in neither a softmax nor
	// a sigmoid: models.Logits, the default for two or more classes, or models.Sigmoid.
	Activation models.Activation
	// Pixels is the model's input. Float32, the default, is planes of 0..1,
	// [N,3,height,width], resized as in TensorFlow.js, so that the scores are those of
	// TensorFlow.js. Uint8 is [N,height,width,3], scaled in the graph. It has a quarter of
	// the bytes, but pixels are rounded after the resize, which changes the scores of
	// images between two classes by 0.01 to 0.03.
	Pixels preprocess.DType
}

// Import reads the model in source, a folder or a .tgz, and writes it to w as ONNX.
// Errors about the content of the source wrap models.ErrModel.
func Import(ctx context.Context, source string, w io.Writer, o Options) (*models.Contract, error) {
	src, err := openSource(ctx, source, o.Path)
	if err != nil {
		return nil, fmt.Errorf("import %s: %w", source, err)
	}
	defer src.Close()
	c, err := importFrom(ctx, src, w, o)
	if err != nil {
		return nil, fmt.Errorf("import %s: %w", source, err)
	}
	return c, nil
}

// ImportFile is Import into a file, which appears whole or not at all.
func ImportFile(ctx context.Context, source, out string, o Options) (*models.Contract, error) {
	var c *models.Contract
	err := models.Save(out, func(w io.Writer) (err error) {
		c, err = Import(ctx, source, w, o)
		return err
	})
	return c, err
}

func importFrom(ctx context.Context, src *source, w io.Writer, o Options) (*models.Contract, error) {
	doc, err := src.readModel()
	if err != nil {
		return nil, err
	}
	weights, _, err := src.openWeights(ctx, doc.Manifest)
	if err != nil {
		return nil, err
	}
	pixels, err := o.spec()
	if err != nil {
		return nil, err
	}
	c, err := convert(doc, weights, pixels.DType)
	if err != nil {
		return nil, err
	}

	if c.output, err = o.activation(c); err != nil {
		return nil, err
	}
	pixels.Width, pixels.Height = c.width, c.height
	contract := &models.Contract{
		Name:       src.name(o.Name),
		Preprocess: pixels,
		Output:     c.output, Classes: c.classes,
		Labels: o.Labels,
		Source: src.describe(), SourceDigest: src.digest(),
	}
	if contract.Labels == nil {
		if contract.Labels, err = src.labels(); err != nil {
			return nil, err
		}
	}
	if err := contract.Validate(); err != nil {
		return nil, fmt.Errorf("%w: %w", models.ErrModel, err)
	}
	text, err := json.Marshal(contract)
	if err != nil {
		return nil, err
	}
	c.graph.Metadata(models.MetadataKey, string(text))
	if _, err := c.graph.WriteTo(graph.Until(ctx, w)); err != nil {
		return nil, fmt.Errorf("write the model: %w", err)
	}
	return contract, nil
}

// activation returns what the rows of the model are.
func (o Options) activation(c *converter) (models.Activation, error) {
	switch {
	case c.output != "" && o.Activation != "" && c.output != o.Activation:
		return "", bad("its scores cannot be %s: its last layer makes them %s", o.Activation, c.output)
	case c.output != "":
		return c.output, nil
	case o.Activation == models.Logits || o.Activation == models.Sigmoid:
		return o.Activation, nil
	case o.Activation != "":
		return "", bad("its last layer has no activation, so its scores are %s or %s, not %s", models.Logits, models.Sigmoid, o.Activation)
	case c.classes == 1:
		return "", bad("its last layer has one output and no activation, as a binary classifier's or a regression's;"+
			" if a sigmoid makes its score, say --activation %s", models.Sigmoid)
	}
	return models.Logits, nil
}

// spec returns how images become the model's input, without their size.
func (o Options) spec() (preprocess.Spec, error) {
	s := preprocess.Spec{Resize: preprocess.TFBilinearAlignCorners, Fit: preprocess.Stretch}
	switch o.Pixels {
	case preprocess.Float32, "":
		s.DType, s.Layout, s.Scale = preprocess.Float32, preprocess.CHW, 1.0/255
	case preprocess.Uint8:
		s.DType, s.Layout = preprocess.Uint8, preprocess.HWC
	default:
		return s, bad("pixels are %q, not %s or %s", o.Pixels, preprocess.Float32, preprocess.Uint8)
	}
	return s, nil
}

// bad returns an error about the content of the source.
func bad(format string, args ...any) error {
	return fmt.Errorf("%w: %w", models.ErrModel, fmt.Errorf(format, args...))
}
