package networks

import (
	"fmt"
	"strings"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/preprocess"
	"github.com/batchscore/batchscore/models/weights"
)

// ImageNet's mean and standard deviation of red, green and blue in 0..1. Torchvision's
// networks expect pixels that are normalised with them.
var (
	imageNetMean = []float32{0.485, 0.456, 0.406}
	imageNetStd  = []float32{0.229, 0.224, 0.225}
)

// randomSource begins the Source in the contract of a model with random weights.
const randomSource = "random:seed="

// Random reports whether a contract is that of a model with random weights, whose
// scores mean nothing.
func Random(c *models.Contract) bool { return strings.HasPrefix(c.Source, randomSource) }

func contract(o Options, classes int64, source weights.Source) (*models.Contract, error) {
	c := &models.Contract{
		Name: o.Name, Preprocess: pixels(o.Network, o.Variant), Output: models.Logits,
		Classes: int(classes), Labels: o.Labels, Source: o.Source,
	}
	switch {
	case o.Variant == Keras && !o.Logits:
		if o.Activation != "" {
			return nil, bad("the network ends in a softmax, so its scores cannot be %s; leave the softmax out with --logits", o.Activation)
		}
		c.Output = models.Probabilities
	case o.Activation == models.Logits || o.Activation == models.Sigmoid:
		c.Output = o.Activation
	case o.Activation != "":
		return nil, bad("the network ends in a dense layer, so its scores are %s or %s, not %s", models.Logits, models.Sigmoid, o.Activation)
	case classes == 1:
		return nil, bad("the weights have one output, as a binary classifier's or a regression's; if a sigmoid makes its score, say --activation %s", models.Sigmoid)
	}
	if o.HasTransformInput() {
		transforms := o.transforms()
		c.TransformInput = &transforms
	}
	if c.Name == "" {
		c.Name = fmt.Sprintf("%s-%s", o.Network, o.Variant)
	}
	if o.Weights == nil {
		c.Source = fmt.Sprintf("%s%d", randomSource, o.Seed)
		c.Name += "-random"
		c.Labels = randomLabels(o.Labels, int(classes))
	}
	var err error
	if c.SourceDigest, err = source.Digest(); err != nil {
		return nil, err
	}
	if err := c.Validate(); err != nil {
		return nil, bad("%w", err)
	}
	return c, nil
}

// randomLabels marks the label of every class, so that each row shows that its label
// is worthless.
func randomLabels(labels []string, classes int) []string {
	var marked []string
	for _, l := range labels {
		marked = append(marked, "random:"+l)
	}
	for i := range classes {
		if len(labels) == 0 {
			marked = append(marked, fmt.Sprintf("random:%d", i))
		}
	}
	return marked
}

// pixels returns how the variant's own tools prepare an image for the network.
func pixels(n Network, v Variant) preprocess.Spec {
	size := int(designs[n].size)
	s := preprocess.Spec{Width: size, Height: size, Layout: preprocess.CHW, DType: preprocess.Float32}
	switch {
	case v == Torchvision:
		s.Resize, s.Fit, s.ResizeTo = preprocess.PillowBilinear, preprocess.CenterCrop, 256
		if n == InceptionV3 {
			s.ResizeTo = 342
		}
		s.Scale, s.Mean, s.Std = 1.0/255, imageNetMean, imageNetStd
	case n == VGG16:
		s.Resize, s.Fit = preprocess.PillowNearest, preprocess.Stretch
		s.BGR, s.Mean = true, []float32{123.68, 116.779, 103.939}
	default:
		s.Resize, s.Fit = preprocess.PillowNearest, preprocess.Stretch
		s.Scale, s.Mean = 1.0/127.5, []float32{1, 1, 1}
	}
	return s
}
