// Package networks builds VGG-16 and Inception V3 as ONNX models, from
// published weights.
//
// Each network is one function that reads from the image down to the features
// (vgg.go, inception.go), written in terms of a builder (builder.go) which knows
// how a variant calls, lays out and normalises its tensors. The dense layers
// after the features are those that the weights show (head.go). A variant is
// where the weights were published, for the networks differ in more than names:
//
//	                     torchvision                  Keras
//	kernels              [out,in,kh,kw]               [kh,kw,in,out]
//	dense weights        [out,in]                     [in,out]
//	VGG-16: flatten      planes, then pixels          pixels, then channels
//	VGG-16: pixels       RGB, mean and deviation      BGR, mean of 0..255
//	Inception: norm      gamma and beta, 1e-3         beta, 1e-3
//	Inception: average   counts the padding           leaves the padding out
//	Inception: pixels    ImageNet's, transformed if    -1..1
//	                     Options.TransformInput
//	Inception: auxiliary in the weights, not run      none
//	image size           resize and crop              stretch
//	output               logits                       probabilities
package networks

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/graph"
	"github.com/batchscore/batchscore/models/onnxfile"
	"github.com/batchscore/batchscore/models/weights"
)

// Network is one of the networks that can be built.
type Network string

// The networks.
const (
	VGG16       Network = "vgg16"
	InceptionV3 Network = "inception_v3"
)

// Variant is where a network's weights were published, and so its details.
type Variant string

// The variants. Torchvision takes timm's names of tensors as well.
const (
	Torchvision Variant = "torchvision"
	Keras       Variant = "keras"
)

// ImageNetClasses is how many classes a network of random weights has unless
// told otherwise.
const ImageNetClasses = 1000

// SharedAbove is the size of the weights, in bytes, from which on BuildFile puts
// them into a file of their own; DataSuffix is at the end of its name.
const (
	SharedAbove = 256 << 20
	DataSuffix  = ".data"
)

// Options say what to build.
type Options struct {
	Network Network
	Variant Variant
	// Weights to take; nil means random ones, made of Seed.
	Weights weights.Source
	Seed    uint64
	// Classes is how many the weights must have; 0 is as many as they do.
	Classes int
	// Labels name the classes, in order, if at all.
	Labels []string
	// Logits leaves out the softmax at the end of Keras's networks, for weights
	// that were trained without.
	Logits bool
	// Activation is what the raw scores are: models.Logits, which is the default
	// for two classes and more, or models.Sigmoid. Behind a softmax it is empty.
	Activation models.Activation
	// TransformInput reports whether torchvision's Inception V3 was trained behind
	// transform_input, which is no part of its weights: nil and true are yes, as
	// for the weights that torchvision publishes. No other network has it.
	TransformInput *bool
	// Name of the model in its contract; by default the network and variant.
	Name string
	// Source says in the contract where the weights come from.
	Source string
}

// HasTransformInput reports whether the network is the one that may have
// transform_input.
func (o Options) HasTransformInput() bool {
	return o.Network == InceptionV3 && o.Variant == Torchvision
}

// transforms is TransformInput, settled.
func (o Options) transforms() bool {
	return o.HasTransformInput() && (o.TransformInput == nil || *o.TransformInput)
}

// A design is what is particular to a network in a variant.
type design struct {
	size     int64                                       // of the image, in pixels
	features func(b *builder, x graph.Value) graph.Value // [N,3,size,size] to [N,C,h,w]
	hidden   []int64                                     // sizes of the dense layers before the last
}

var designs = map[Network]design{
	VGG16:       {224, (*builder).vgg16, []int64{4096, 4096}},
	InceptionV3: {299, (*builder).inceptionV3, nil},
}

// Build writes the network to w as ONNX, with its contract, in the memory of
// its largest tensor. Errors about the weights and the labels wrap
// models.ErrModel.
func Build(ctx context.Context, w io.Writer, o Options) (*models.Contract, error) {
	b, c, err := assemble(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("build %s: %w", o.Network, err)
	}
	if err := b.describe(c); err != nil {
		return nil, fmt.Errorf("build %s: %w", o.Network, err)
	}
	if _, err := b.WriteTo(graph.Until(ctx, w)); err != nil {
		return nil, fmt.Errorf("build %s: %w", o.Network, err)
	}
	return c, nil
}

// BuildFile is Build into a file, which appears whole or not at all. Weights of
// SharedAbove bytes and more lie in a file of their own beside it, called after
// it with DataSuffix at the end, which the processes of a machine can share.
func BuildFile(ctx context.Context, out string, o Options) (*models.Contract, error) {
	b, c, err := assemble(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("build %s: %w", o.Network, err)
	}
	write := func(w io.Writer) error {
		_, err := b.WriteTo(graph.Until(ctx, w))
		return err
	}
	if b.bytes() >= SharedAbove {
		data := out + DataSuffix
		sum := sha256.New()
		err := models.Save(data, func(w io.Writer) error {
			_, err := b.WriteData(graph.Until(ctx, io.MultiWriter(w, sum)))
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("build %s: %w", o.Network, err)
		}
		b.Metadata(onnxfile.DataKey, "sha256:"+hex.EncodeToString(sum.Sum(nil)))
		write = func(w io.Writer) error {
			_, err := b.WriteBeside(graph.Until(ctx, w), filepath.Base(data))
			return err
		}
	}
	if err := b.describe(c); err != nil {
		return nil, fmt.Errorf("build %s: %w", o.Network, err)
	}
	if err := models.Save(out, write); err != nil {
		return nil, fmt.Errorf("build %s: %w", o.Network, err)
	}
	return c, nil
}

// assemble builds the graph and holds the weights against it.
func assemble(ctx context.Context, o Options) (*builder, *models.Contract, error) {
	d, ok := designs[o.Network]
	if !ok {
		return nil, nil, bad("there is no network %q; there are %s and %s", o.Network, VGG16, InceptionV3)
	}
	if o.Variant != Torchvision && o.Variant != Keras {
		return nil, nil, bad("there is no variant %q; there are %s and %s", o.Variant, Torchvision, Keras)
	}
	b := &builder{Graph: graph.New(string(o.Network)), variant: o.Variant, transform: o.transforms()}
	if o.TransformInput != nil && !o.HasTransformInput() {
		return nil, nil, bad("only %s of %s has transform_input", InceptionV3, Torchvision)
	}
	if o.Weights != nil {
		var err error
		if b.source, err = canonical(o.Network, o.Variant, o.Weights); err != nil {
			return nil, nil, err
		}
	}
	x := b.Input("images", graph.Float32, graph.Dynamic, 3, d.size, d.size)
	x = d.features(b, x)
	x, err := b.head(x, o, d.hidden)
	if err != nil {
		return nil, nil, err
	}
	b.Output("scores", x)
	if err := b.Err(); err != nil {
		return nil, nil, bad("%w", err)
	}

	if b.source == nil {
		b.source = weights.Random(o.Seed, b.tensors)
	} else if err := weights.Check(b.source, b.expected(), spare(o)); err != nil {
		return nil, nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	c, err := contract(o, x.Shape[1], b.source)
	return b, c, err
}

// Tensors is what a network takes of its variant's weights, as published: the
// names that the networks know them by, their shapes, and the bounds that random
// ones are made within. It is nil for a network or variant that is not there.
func Tensors(n Network, v Variant) []weights.Uniform {
	b, _, err := assemble(context.Background(), Options{Network: n, Variant: v})
	if err != nil {
		return nil
	}
	return b.tensors
}

// describe puts the contract into the graph's metadata.
func (b *builder) describe(c *models.Contract) error {
	text, err := json.Marshal(c)
	if err != nil {
		return err
	}
	b.Metadata(models.MetadataKey, string(text))
	return nil
}

func bad(format string, args ...any) error {
	return fmt.Errorf("%w: %w", models.ErrModel, fmt.Errorf(format, args...))
}
