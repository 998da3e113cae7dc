// Package networks builds image classifiers as ONNX models, from published weights.
//
// Each network is one function that leads from the image to the features or to the
// classes (vgg.go, inception.go, resnet.go, mobile.go, convnext.go, vit.go). It uses a
// builder (builder.go, layers.go) that knows the names, the layout and the normalisation of
// a variant's tensors. A variant is the place where the weights were published. All but
// Keras name tensors of a network in their own ways, which names.go and foreign.go translate
// into torchvision's. The variants differ in more than names:
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
//
// timm, transformers and tf (weights that were trained in TensorFlow, as timm's tf_ models and
// efficientnet_pytorch's) differ from torchvision in the epsilon of the normalisations, in
// how images are resized, and tf in the padding of convolutions.
package networks

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/graph"
	"github.com/batchscore/batchscore/models/onnxfile"
	"github.com/batchscore/batchscore/models/preprocess"
	"github.com/batchscore/batchscore/models/weights"
)

// Network is one of the networks that can be built.
type Network string

// The networks.
const (
	VGG16             Network = "vgg16"
	InceptionV3       Network = "inception_v3"
	ResNet18          Network = "resnet18"
	ResNet34          Network = "resnet34"
	ResNet50          Network = "resnet50"
	ResNet101         Network = "resnet101"
	MobileNetV3Large  Network = "mobilenet_v3_large"
	MobileNetV3Small  Network = "mobilenet_v3_small"
	EfficientNetB0    Network = "efficientnet_b0"
	EfficientNetLite0 Network = "efficientnet_lite0"
	ConvNeXtTiny      Network = "convnext_tiny"
	ViTB16            Network = "vit_b_16"
)

// Networks are all of them.
var Networks = []Network{
	VGG16, InceptionV3, ResNet18, ResNet34, ResNet50, ResNet101, MobileNetV3Large, MobileNetV3Small,
	EfficientNetB0, EfficientNetLite0, ConvNeXtTiny, ViTB16,
}

// Variant is where a network's weights were published, which decides its details.
type Variant string

// The variants. Torchvision also accepts timm's names of tensors. TF are weights that were
// trained in TensorFlow and published for PyTorch: timm's tf_ models, and those of
// efficientnet_pytorch.
const (
	Torchvision  Variant = "torchvision"
	Keras        Variant = "keras"
	Timm         Variant = "timm"
	Transformers Variant = "transformers"
	TF           Variant = "tf"
)

// Variants are all of them.
var Variants = []Variant{Torchvision, Keras, Timm, Transformers, TF}

// VariantsOf returns the variants of a network; none of one that does not exist.
func VariantsOf(n Network) []Variant {
	var list []Variant
	for _, v := range Variants {
		if _, ok := designs[n].epsilon[v]; ok {
			list = append(list, v)
		}
	}
	return list
}

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
	// ResizeTo is the shortest side to which images are resized before the crop; 0 is what
	// the published weights were tested with, and an error where there is no such number.
	ResizeTo int
	// Pixels replaces how images are prepared; nil for what the variant's own tools do. Its size and
	// its layout are those of the network.
	Pixels *preprocess.Spec
	// Size is the side of the image in pixels, 32 to 4096; 0 is that of the published weights. Another
	// is an error for VGG-16 and ViT-B/16, whose weights are those of one size.
	Size int
	// Bare leaves the contract out of the file, for a model whose folder says it.
	Bare bool
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
	size int64 // of the image, in pixels
	// epsilon of the normalisations in each variant that there is.
	epsilon map[Variant]float32

	// A network whose head is that of its weights has these.
	features func(b *builder, x graph.Value) graph.Value // [N,3,size,size] to [N,C,h,w]
	hidden   []int64                                     // sizes of the dense layers before the last
	top      string                                      // torchvision's name of the head
	pooled   bool                                        // reports whether the features are pooled before it

	// Any other has these instead: a function from the image to the classes, and
	// torchvision's name of its last layer.
	whole func(b *builder, x graph.Value, classes int64) graph.Value
	last  string
}

// Bounds of [Options.Size].
const (
	minSize = 32
	maxSize = 4096
)

// size returns the side of the image in pixels.
func (o Options) size() int {
	return cmp.Or(o.Size, int(designs[o.Network].size))
}

// anySize reports whether the mean over all places comes before the dense layers, so that the
// weights suit images of any size.
func (d design) anySize(n Network) bool { return d.pooled || d.whole != nil && n != ViTB16 }

// resNets are how many blocks the stages of each ResNet have.
var resNets = map[Network][4]int{
	ResNet18: {2, 2, 2, 2}, ResNet34: {3, 4, 6, 3}, ResNet50: {3, 4, 6, 3}, ResNet101: {3, 4, 23, 3},
}

var designs = func() map[Network]design {
	epsilons := func(torchvision, timm float32) map[Variant]float32 {
		return map[Variant]float32{Torchvision: torchvision, Timm: timm, TF: 1e-3}
	}
	both := map[Variant]float32{Torchvision: 1e-3, Keras: 1e-3}
	m := map[Network]design{
		VGG16:            {size: 224, epsilon: both, features: (*builder).vgg16, hidden: []int64{4096, 4096}, top: "classifier"},
		InceptionV3:      {size: 299, epsilon: both, features: (*builder).inceptionV3, top: "fc", pooled: true},
		MobileNetV3Large: {size: 224, epsilon: epsilons(1e-3, 1e-5), whole: mobileNet(mobileNetLarge, 1280), last: "classifier.3"},
		MobileNetV3Small: {size: 224, epsilon: epsilons(1e-3, 1e-5), whole: mobileNet(mobileNetSmall, 1024), last: "classifier.3"},
		EfficientNetB0:   {size: 224, epsilon: epsilons(1e-5, 1e-5), whole: (*builder).efficientNet, last: "classifier.1"},
		EfficientNetLite0: {
			size: 224, epsilon: map[Variant]float32{Timm: 1e-5, TF: 1e-3}, whole: (*builder).efficientLite, last: "classifier.1",
		},
		ConvNeXtTiny: {
			size: 224, epsilon: map[Variant]float32{Torchvision: 1e-6, Timm: 1e-6, Transformers: 1e-6},
			whole: (*builder).convNeXtTiny, last: "classifier.2",
		},
		ViTB16: {
			size: 224, epsilon: map[Variant]float32{Torchvision: 1e-6, Timm: 1e-6, Transformers: 1e-12},
			whole: (*builder).visionTransformer, last: "heads.head",
		},
	}
	for n, blocks := range resNets {
		m[n] = design{
			size: 224, epsilon: map[Variant]float32{Torchvision: 1e-5, Timm: 1e-5, Transformers: 1e-5},
			features: resnet(blocks, n == ResNet50 || n == ResNet101), top: "fc", pooled: true,
		}
	}
	return m
}()

// Build writes the network to w as ONNX, with its contract. It needs the memory of its
// largest tensor. Errors about the weights and the labels wrap models.ErrModel.
func Build(ctx context.Context, w io.Writer, o Options) (*models.Contract, error) {
	b, c, err := assemble(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("build %s: %w", o.Network, err)
	}
	if err := b.describe(c, o.Bare); err != nil {
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
	if err := b.describe(c, o.Bare); err != nil {
		return nil, fmt.Errorf("build %s: %w", o.Network, err)
	}
	if err := models.Save(out, write); err != nil {
		return nil, fmt.Errorf("build %s: %w", o.Network, err)
	}
	return c, nil
}

// Recognise returns the networks whose tensors the weights have.
func Recognise(ctx context.Context, w weights.Source) []Network {
	var found []Network
	for _, n := range Networks {
		if slices.ContainsFunc(VariantsOf(n), func(v Variant) bool {
			_, _, err := layers(ctx, Options{Network: n, Variant: v, Weights: w})
			return err == nil
		}) {
			found = append(found, n)
		}
	}
	return found
}

// assemble builds the graph and compares the weights with it.
func assemble(ctx context.Context, o Options) (*builder, *models.Contract, error) {
	b, classes, err := layers(ctx, o)
	if err != nil {
		return nil, nil, err
	}
	c, err := contract(o, classes, b.source)
	return b, c, err
}

// layers is assemble without the contract; it returns the number of classes instead.
func layers(ctx context.Context, o Options) (*builder, int64, error) {
	d, ok := designs[o.Network]
	if !ok {
		return nil, 0, bad("there is no network %q; the networks are %s", o.Network, listed(Networks))
	}
	epsilon, ok := d.epsilon[o.Variant]
	if !ok {
		return nil, 0, bad("%s has no variant %q; its variants are %s", o.Network, o.Variant, listed(VariantsOf(o.Network)))
	}
	b := &builder{Graph: graph.New(string(o.Network)), variant: o.Variant, epsilon: epsilon, transform: o.transforms()}
	if o.TransformInput != nil && !o.HasTransformInput() {
		return nil, 0, bad("only %s of %s has transform_input", InceptionV3, Torchvision)
	}
	if o.Weights != nil {
		var err error
		if b.source, err = canonical(o.Network, o.Variant, o.Weights); err != nil {
			return nil, 0, err
		}
	}
	size := int64(o.size())
	if size != d.size && (!d.anySize(o.Network) || size < minSize || size > maxSize) {
		return nil, 0, bad("images of %[1]dx%[1]d pixels do not suit %s, whose weights are for %[3]dx%[3]d", size, o.Network, d.size)
	}
	x := b.Input("images", graph.Float32, graph.Dynamic, 3, size, size)
	x, err := b.scores(x, o, d)
	if err != nil {
		return nil, 0, err
	}
	b.Output("scores", x)
	if err := b.Err(); err != nil {
		return nil, 0, bad("%w", err)
	}

	if b.source == nil {
		b.source = weights.Random(o.Seed, b.tensors)
	} else if err := weights.Check(b.source, b.expected(), spare(o)); err != nil {
		return nil, 0, err
	}
	if err := ctx.Err(); err != nil {
		return nil, 0, err
	}
	return b, x.Shape[1], nil
}

// scores leads from the image to the output row.
func (b *builder) scores(x graph.Value, o Options, d design) (graph.Value, error) {
	if d.whole == nil {
		return b.head(d.features(b, x), o, d)
	}
	classes, err := b.classes(o, d.last)
	if err != nil {
		return x, err
	}
	return d.whole(b, x, classes), b.Err()
}

// listed joins names for an error.
func listed[T ~string](names []T) string {
	var words []string
	for _, n := range names {
		words = append(words, string(n))
	}
	return strings.Join(words, ", ")
}

// describe adds the contract to the graph's metadata, unless the model is to be bare.
func (b *builder) describe(c *models.Contract, bare bool) error {
	if bare {
		return nil
	}
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
