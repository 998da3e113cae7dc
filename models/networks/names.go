package networks

import (
	"cmp"
	"fmt"
	"maps"
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
	// parts are tensors of the file that follow one another in one of the networks.
	parts map[string][3]weights.Tensor
}

// Tensors implements weights.Source.
func (r *renamed) Tensors() []weights.Tensor { return r.list }

// Read implements weights.Source.
func (r *renamed) Read(name string, dst []float32) error {
	if parts, ok := r.parts[name]; ok {
		for _, p := range parts {
			n := product(p.Shape)
			if n > len(dst) {
				return bad("tensor %q does not fit %d elements", p.Name, len(dst))
			}
			if err := r.Source.Read(p.Name, dst[:n]); err != nil {
				return err
			}
			dst = dst[n:]
		}
		return nil
	}
	in, ok := r.name[name]
	if !ok {
		return bad("there is no tensor %q", name)
	}
	return r.Source.Read(in, dst)
}

// canonical gives the tensors of a file the names that the networks use.
func canonical(n Network, v Variant, s weights.Source) (weights.Source, error) {
	var translate func(weights.Tensor) weights.Tensor
	prefix := ""
	switch {
	case v == Keras:
		translate = kerasNames(n, s.Tensors())
	case n == VGG16:
		translate = timmName
	default: // timm's names of Inception V3 are torchvision's
		translate = foreignNames(n)
	}
	if v != Keras {
		prefix = unwrapped(s.Tensors())
	}
	r := &renamed{Source: s, name: map[string]string{}, parts: map[string][3]weights.Tensor{}}
	for _, t := range s.Tensors() {
		c := t
		c.Name = strings.TrimPrefix(t.Name, prefix)
		c = translate(c)
		if other, double := r.name[c.Name]; double {
			return nil, bad("tensors %q and %q of the weights are both %s", other, t.Name, c.Name)
		}
		r.name[c.Name] = t.Name
		if whole, part, ok := strings.Cut(c.Name, partMark); ok && len(part) == 1 && part[0] >= '0' && part[0] <= '2' {
			parts := r.parts[whole]
			parts[part[0]-'0'] = t
			r.parts[whole] = parts
			continue
		}
		r.list = append(r.list, c)
	}
	r.join()
	return r, nil
}

// join lists the tensors whose parts are all there and have one shape. Of others the parts are
// listed, which no network has.
func (r *renamed) join() {
	for _, name := range slices.Sorted(maps.Keys(r.parts)) {
		parts := r.parts[name]
		first := parts[0]
		if len(first.Shape) > 0 && slices.Equal(first.Shape, parts[1].Shape) && slices.Equal(first.Shape, parts[2].Shape) {
			shape := slices.Clone(first.Shape)
			shape[0] *= 3
			r.list = append(r.list, weights.Tensor{Name: name, Shape: shape, DType: first.DType})
			continue
		}
		delete(r.parts, name)
		for _, p := range parts {
			if p.Name != "" {
				r.list = append(r.list, p)
			}
		}
	}
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
