// Package networks builds VGG-16 and Inception V3 as ONNX models, from
// published weights.
//
// Each network is one function that leads from the image to the features (vgg.go,
// inception.go). It uses a builder (builder.go) that knows the names, the layout and
// the normalisation of a variant's tensors. The dense layers after the features are
// those found in the weights (head.go). A variant is the place where the weights were
// published. The variants differ in more than names:
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

// Networks are all of them.
var Networks = []Network{VGG16, InceptionV3}

// Variant is where a network's weights were published, which decides its details.
type Variant string

// The variants. Torchvision also accepts timm's names of tensors.
const (
	Torchvision Variant = "torchvision"
	Keras       Variant = "keras"
)

// Variants are all of them.
var Variants = []Variant{Torchvision, Keras}

// ImageNetClasses is the default number of classes of a network with random weights.
const ImageNetClasses = 1000

// SharedAbove is the size of the weights in bytes from which BuildFile writes them to
// a separate file. DataSuffix is the end of that file's name.
const (
	SharedAbove = 256 << 20
	DataSuffix  = ".data"
)

// Options say what to build.
type Options struct {
	Network Network
	Variant Variant
	// Weights to use; nil means random ones, generated from Seed.
	Weights weights.Source
	Seed    uint64
	// Classes is how many classes the weights must have; 0 accepts any number.
	Classes int
	// Labels name the classes in order; nil if they have no names.
	Labels []string
	// Logits leaves out the softmax at the end of Keras's networks, for weights that
	// were trained without it.
	Logits bool
	// Activation is what the raw scores are: models.Logits, the default for two or
	// more classes, or models.Sigmoid. It is empty if the network ends in a softmax.
	Activation models.Activation
	// TransformInput reports whether torchvision's Inception V3 was trained with
	// transform_input, which its weights do not show. nil means true, as for the
	// weights that torchvision publishes. No other network has it.
	TransformInput *bool
	// Name of the model in its contract; by default the network and the variant.
	Name string
	// Source says in the contract where the weights come from.
	Source string
}

// HasTransformInput reports whether the network is the only one that may have
// transform_input.
func (o Options) HasTransformInput() bool {
	return o.Network == InceptionV3 && o.Variant == Torchvision
}

// transforms returns TransformInput with its default applied.
func (o Options) transforms() bool {
	return o.HasTransformInput() && (o.TransformInput == nil || *o.TransformInput)
}

// A design is the details of a network in a variant.
type design struct {
	size     int64                                       // of the image, in pixels
	features func(b *builder, x graph.Value) graph.Value // [N,3,size,size] to [N,C,h,w]
	hidden   []int64                                     // sizes of the dense layers before the last
}

var designs = map[Network]design{
	VGG16:       {224, (*builder).vgg16, []int64{4096, 4096}},
	InceptionV3: {299, (*builder).inceptionV3, nil},
}

// Build writes the network to w as ONNX, with its contract. It needs the memory of its
// largest tensor. Errors about the weights and the labels wrap models.ErrModel.
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
// SharedAbove bytes or more are written to a separate file next to it, whose name is
// that of the model with DataSuffix appended. The processes of a machine can share it.
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

// assemble builds the graph and compares the weights with it.
func assemble(ctx context.Context, o Options) (*builder, *models.Contract, error) {
	d, ok := designs[o.Network]
	if !ok {
		return nil, nil, bad("there is no network %q; the networks are %s and %s", o.Network, VGG16, InceptionV3)
	}
	if o.Variant != Torchvision && o.Variant != Keras {
		return nil, nil, bad("there is no variant %q; the variants are %s and %s", o.Variant, Torchvision, Keras)
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

// describe adds the contract to the graph's metadata.
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
