package networks

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/batchscore/batchscore/models/weights"
)

// renamed is a source with the names that the networks use.
type renamed struct {
	weights.Source
	list []weights.Tensor
	name map[string]string // in the file
}

// Tensors implements weights.Source.
func (r *renamed) Tensors() []weights.Tensor { return r.list }

// Read implements weights.Source.
func (r *renamed) Read(name string, dst []float32) error {
	in, ok := r.name[name]
	if !ok {
		return bad("there is no tensor %q", name)
	}
	return r.Source.Read(in, dst)
}

// canonical gives the tensors of a file the names that the networks use.
func canonical(n Network, v Variant, s weights.Source) (weights.Source, error) {
	translate := timmName
	if v == Keras {
		translate = kerasNames(n, s.Tensors())
	} else if n == InceptionV3 {
		translate = func(t weights.Tensor) weights.Tensor { return t } // timm's names are torchvision's
	}
	r := &renamed{Source: s, name: map[string]string{}}
	for _, t := range s.Tensors() {
		c := translate(t)
		if other, double := r.name[c.Name]; double {
			return nil, bad("tensors %q and %q of the weights are both %s", other, t.Name, c.Name)
		}
		r.name[c.Name] = t.Name
		r.list = append(r.list, c)
	}
	return r, nil
}

// timmLayers are the layers of VGG-16's head that have other names in timm and are
// convolutions there.
var timmLayers = map[string]string{
	"pre_logits.fc1": "classifier.0", "pre_logits.fc2": "classifier.3", "head.fc": "classifier.6",
}

// timmName returns torchvision's form of a tensor of timm's VGG-16.
func timmName(t weights.Tensor) weights.Tensor {
	for timm, torchvision := range timmLayers {
		rest, ok := strings.CutPrefix(t.Name, timm+".")
		if !ok {
			continue
		}
		t.Name = torchvision + "." + rest
		if len(t.Shape) == 4 {
			t.Shape = []int64{t.Shape[0], t.Shape[1] * t.Shape[2] * t.Shape[3]}
		}
	}
	return t
}

// kerasFlat finds the tensor's own name in a name without slashes, such as
// block1_conv1_kernel.
var kerasFlat = regexp.MustCompile(`^(.+)_(kernel|bias|gamma|beta|moving_mean|moving_variance)$`)

// kerasOutput is what TensorFlow appends to the name of a variable.
var kerasOutput = regexp.MustCompile(`:[0-9]+$`)

// kerasNames returns the translation for files of Keras's tensors. The numbers of
// Inception's layers start where the process that created them had got to, so only
// their order matters.
func kerasNames(n Network, list []weights.Tensor) func(weights.Tensor) weights.Tensor {
	plain := func(t weights.Tensor) (layer, tensor string) {
		name := kerasOutput.ReplaceAllString(t.Name, "")
		if parts := strings.Split(name, "/"); len(parts) > 1 {
			return parts[len(parts)-2], parts[len(parts)-1]
		}
		if m := kerasFlat.FindStringSubmatch(name); m != nil {
			return m[1], m[2]
		}
		return "", name
	}
	rank := map[string]string{}
	if n == InceptionV3 {
		for _, kind := range []string{"conv2d", "batch_normalization"} {
			for i, layer := range numbered(kind, list, plain) {
				rank[layer] = fmt.Sprintf("%s_%d", kind, i)
			}
		}
	}
	return func(t weights.Tensor) weights.Tensor {
		layer, tensor := plain(t)
		if layer == "" {
			return t
		}
		t.Name = cmp.Or(rank[layer], layer) + "/" + tensor
		return t
	}
}

// numbered lists the existing layers kind, kind_1, kind_2 ... by number.
func numbered(kind string, list []weights.Tensor, plain func(weights.Tensor) (string, string)) []string {
	var layers []string
	for _, t := range list {
		layer, _ := plain(t)
		if rest, ok := strings.CutPrefix(layer, kind); ok && (rest == "" || rest[0] == '_' && isNumber(rest[1:])) {
			layers = append(layers, layer)
		}
	}
	slices.SortFunc(layers, natural)
	return slices.Compact(layers)
}

func isNumber(s string) bool {
	_, err := strconv.ParseUint(s, 10, 32)
	return err == nil
}

var digits = regexp.MustCompile(`[0-9]+|[^0-9]+`)

// natural compares names by their text, and numbers within them by value.
func natural(a, b string) int {
	return slices.CompareFunc(digits.FindAllString(a, -1), digits.FindAllString(b, -1), func(p, q string) int {
		m, errM := strconv.ParseUint(p, 10, 64)
		n, errN := strconv.ParseUint(q, 10, 64)
		if errM == nil && errN == nil && m != n {
			return cmp.Compare(m, n)
		}
		return cmp.Compare(p, q)
	})
}
