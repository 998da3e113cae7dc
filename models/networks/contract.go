package networks

import (
	"fmt"
	"strings"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/weights"
)

// randomSource begins the Source in the contract of a model with random weights.
const randomSource = "random:seed="

// Random reports whether a contract is that of a model with random weights, whose
// scores mean nothing.
func Random(c *models.Contract) bool { return strings.HasPrefix(c.Source, randomSource) }

func contract(o Options, classes int64, source weights.Source) (*models.Contract, error) {
	digest, err := source.Digest()
	if err != nil {
		return nil, err
	}
	prepared, err := pixels(o, digest)
	if err != nil {
		return nil, err
	}
	c := &models.Contract{
		Name: o.Name, Preprocess: prepared, Output: models.Logits,
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
	c.SourceDigest = digest
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
