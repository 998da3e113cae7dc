// Package tfjs imports image classifiers from the TensorFlow.js layers format,
// a Keras topology in JSON with its weights in binary shards, and writes them
// as ONNX.
//
// An import goes
//
//  1. open the source: a folder, an npm package's folder, or the .tgz that
//     "npm pack" leaves (source.go, archive.go);
//  2. read the model file, which is JSON or a JavaScript module around it
//     (module.go);
//  3. hold the weights manifest against the shards and find each tensor in
//     them (manifest.go);
//  4. convert the topology layer by layer (topology.go, layers.go), asking for
//     tensors by name and shape;
//  5. write the model with its contract, dequantising one tensor at a time.
//
// The model takes 8-bit pixels, [N,height,width,3], and scales them to 0..1
// itself. The bytes written depend on the source and the options alone.
package tfjs

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/preprocess"
)

// Options say what the source does not.
type Options struct {
	// Path of the model's folder inside the source, slash-separated. It may be
	// left out where the source holds one model only.
	Path string
	// Labels name the classes, in order. Without them the source's own are
	// taken where it has any (the npm package nsfwjs has), else none.
	Labels []string
	// Name of the model in its contract; by default the name of its folder.
	Name string
}

// Import reads the model in source, a folder or a .tgz, and writes it to w as
// ONNX. Errors about what the source holds wrap models.ErrModel.
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
	weights, err := src.openWeights(ctx, doc.Manifest)
	if err != nil {
		return nil, err
	}
	net, err := parseTopology(doc.Topology)
	if err != nil {
		return nil, err
	}
	c, err := convert(net, weights)
	if err != nil {
		return nil, err
	}

	contract := &models.Contract{
		Name: src.name(o.Name),
		Preprocess: preprocess.Spec{
			Width: c.width, Height: c.height,
			Layout: preprocess.HWC, DType: preprocess.Uint8,
			Resize: preprocess.TFBilinearAlignCorners, Fit: preprocess.Stretch,
		},
		Output: c.output, Classes: c.classes,
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
	if _, err := c.graph.WriteTo(contextWriter{ctx, w}); err != nil {
		return nil, fmt.Errorf("write the model: %w", err)
	}
	return contract, nil
}

// contextWriter fails once its context has ended.
type contextWriter struct {
	ctx context.Context
	w   io.Writer
}

func (c contextWriter) Write(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.w.Write(p)
}

// bad is an error about what the source holds.
func bad(format string, args ...any) error {
	return fmt.Errorf("%w: %w", models.ErrModel, fmt.Errorf(format, args...))
}
