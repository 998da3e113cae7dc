package networks

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/graph"
	"github.com/batchscore/batchscore/models/weights"
)

// denseLayer is a fully connected layer found in the weights.
type denseLayer struct {
	name    string
	in, out int64
	bias    bool
}

// head leads from the features to the output row: it pools or flattens them and adds the
// dense layers found in the weights, with ReLU between them. Without weights, the layers
// have the sizes hidden and the classes.
func (b *builder) head(x graph.Value, o Options, d design) (graph.Value, error) {
	layers, err := b.denseLayers(d, x)
	if err != nil {
		return x, err
	}
	if layers == nil {
		layers = published(o, d)
	}
	last := layers[len(layers)-1]
	if o.Classes != 0 && int64(o.Classes) != last.out {
		return x, bad("the weights have %d classes (%s), not %d", last.out, last.name, o.Classes)
	}
	if b.variant == Keras && !o.Logits && last.out == 1 {
		return x, bad("the last layer (%s) has one output, as if for a sigmoid; a softmax of it is 1 for every image;"+
			" build it with --logits --activation %s", last.name, models.Sigmoid)
	}

	pooled := d.pooled
	if layers[0].in != 0 {
		pooled = layers[0].in == x.Shape[1]
	}
	switch {
	case pooled:
		x = b.GlobalAveragePool("head/pool", x)
	case b.variant == Keras: // its values are in the order of channels last
		x = b.Transpose("head/pixels", x, 0, 2, 3, 1)
	}
	x = b.Flatten("head/flatten", x)
	for i, l := range layers {
		if i > 0 {
			x = b.Relu(layers[i-1].name+"/relu", x)
		}
		x = b.dense(l.name, x, l.out, l.bias)
	}
	if b.variant == Keras && !o.Logits {
		x = b.Softmax("head/probabilities", x)
	}
	return x, b.Err()
}

// published returns the head with which the network was published.
func published(o Options, d design) []denseLayer {
	classes := int64(o.Classes)
	if classes == 0 {
		classes = ImageNetClasses
	}
	sizes := append(slices.Clone(d.hidden), classes)
	var layers []denseLayer
	for i, n := range sizes {
		l := denseLayer{name: "predictions", out: n, bias: true}
		switch {
		case o.Variant != Keras && !d.pooled:
			l.name = fmt.Sprintf("%s.%d", d.top, 3*i)
		case o.Variant != Keras:
			l.name = d.top
		case i < len(d.hidden):
			l.name = fmt.Sprintf("fc%d", i+1)
		}
		layers = append(layers, l)
	}
	return layers
}

// maxDense is more than the dense layers of any head. It keeps the search for their
// order short.
const maxDense = 8

// denseLayers finds the dense layers among the weights and orders them: each takes the
// output of the one before it, and where that leaves a choice, the order of their names
// decides. It returns nil if there are none; the check of the weights then reports what
// is missing.
func (b *builder) denseLayers(d design, features graph.Value) ([]denseLayer, error) {
	if b.source == nil {
		return nil, nil
	}
	var all []denseLayer
	for _, t := range b.source.Tensors() {
		name, ok := strings.CutSuffix(t.Name, b.suffix("", "weight", "kernel"))
		if !ok || len(t.Shape) != 2 || min(t.Shape[0], t.Shape[1]) < 1 || b.variant != Keras && !inHead(d.top, name) {
			continue
		}
		l := denseLayer{name: name, in: t.Shape[0], out: t.Shape[1], bias: b.has(b.suffix(name, "bias", "bias"))}
		if b.variant != Keras {
			l.in, l.out = l.out, l.in
		}
		all = append(all, l)
	}
	if len(all) == 0 {
		return nil, nil
	}
	if len(all) > maxDense {
		return nil, bad("%d dense layers in the weights; at most %d are expected", len(all), maxDense)
	}
	slices.SortStableFunc(all, func(p, q denseLayer) int { return natural(p.name, q.name) })
	planes := features.Shape[1]
	whole := planes * features.Shape[2] * features.Shape[3]
	starts := []int64{whole, planes}
	if b.variant != Keras && d.pooled {
		starts = []int64{planes}
	}
	if b.variant != Keras && !d.pooled {
		starts = []int64{whole}
	}
	for _, start := range starts {
		if chain := order(all, start); chain != nil {
			return chain, nil
		}
	}
	var found []string
	for _, l := range all {
		found = append(found, fmt.Sprintf("%s %d to %d", l.name, l.in, l.out))
	}
	return nil, bad("the dense layers of the weights do not form a chain that starts with %s values: %s",
		strings.Trim(strings.ReplaceAll(fmt.Sprint(starts), " ", " or "), "[]"), strings.Join(found, ", "))
}

// inHead reports whether a layer is part of the head whose layers are called top.
func inHead(top, layer string) bool { return layer == top || strings.HasPrefix(layer, top+".") }

// classes returns the number of outputs of the last layer, which has that name: those of
// the weights, or those that are asked for.
func (b *builder) classes(o Options, last string) (int64, error) {
	asked := int64(o.Classes)
	if b.source == nil {
		return cmp.Or(asked, ImageNetClasses), nil
	}
	for _, t := range b.source.Tensors() {
		if t.Name != last+".weight" || len(t.Shape) != 2 || t.Shape[0] < 1 {
			continue
		}
		if asked != 0 && asked != t.Shape[0] {
			return 0, bad("the weights have %d classes (%s), not %d", t.Shape[0], last, asked)
		}
		return t.Shape[0], nil
	}
	return cmp.Or(asked, ImageNetClasses), nil // the check of the weights reports what is missing
}

// order returns all layers in an order in which the first takes in values and every
// other the output of the one before it; nil if there is no such order.
func order(all []denseLayer, in int64) []denseLayer {
	if len(all) == 0 {
		return []denseLayer{}
	}
	for i, l := range all {
		if l.in == in {
			if rest := order(slices.Delete(slices.Clone(all), i, i+1), l.out); rest != nil {
				return append([]denseLayer{l}, rest...)
			}
		}
	}
	return nil
}

// spare accepts tensors of published weights that inference does not need:
// torchvision's auxiliary head and counters of batches.
func spare(o Options) func(weights.Tensor) bool {
	return func(t weights.Tensor) bool {
		if o.Variant == Keras {
			return false
		}
		if strings.HasSuffix(t.Name, ".num_batches_tracked") {
			return len(t.Shape) == 0
		}
		shape, ok := auxiliary[t.Name]
		if o.Network != InceptionV3 || !ok {
			return false
		}
		// Its classes are those of its training data.
		return slices.EqualFunc(t.Shape, shape, func(n, want int64) bool { return n == want || want == 0 })
	}
}

// auxiliary is the additional head with which torchvision trains Inception V3. A size
// of 0 stands for the number of classes.
var auxiliary = func() map[string][]int64 {
	m := map[string][]int64{
		"AuxLogits.conv0.conv.weight": {128, 768, 1, 1},
		"AuxLogits.conv1.conv.weight": {768, 128, 5, 5},
		"AuxLogits.fc.weight":         {0, 768},
		"AuxLogits.fc.bias":           {0},
	}
	for _, p := range []string{"weight", "bias", "running_mean", "running_var"} {
		m["AuxLogits.conv0.bn."+p] = []int64{128}
		m["AuxLogits.conv1.bn."+p] = []int64{768}
	}
	return m
}()
