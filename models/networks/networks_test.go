package networks_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/networks"
	"github.com/batchscore/batchscore/models/weights"
)

// fake is a source of zeros without a file.
type fake map[string][]int64

func (f fake) Tensors() []weights.Tensor {
	var list []weights.Tensor
	for _, name := range slices.Sorted(maps.Keys(f)) {
		list = append(list, weights.Tensor{Name: name, Shape: f[name], DType: weights.Float32})
	}
	return list
}

func (f fake) Read(name string, dst []float32) error {
	n := int64(1)
	for _, d := range f[name] {
		n *= d
	}
	if _, ok := f[name]; !ok || n != int64(len(dst)) {
		return fmt.Errorf("%s read into %d elements", name, len(dst))
	}
	clear(dst)
	return nil
}

func (fake) Digest() (string, error) { return "sha256:fake", nil }
func (fake) Close() error            { return nil }

var convs = []struct{ name, keras string }{
	{
		name:  "features.0",
		keras: "block1_conv1",
	}, {name: "features.2", keras: "block1_conv2"}, {name: "features.5", keras: "block2_conv1"}, {name: "features.7", keras: "block2_conv2"},
	{name: "features.10", keras: "block3_conv1"}, {name: "features.12", keras: "block3_conv2"}, {name: "features.14", keras: "block3_conv3"},
	{name: "features.17", keras: "block4_conv1"}, {name: "features.19", keras: "block4_conv2"}, {name: "features.21", keras: "block4_conv3"},
	{name: "features.24", keras: "block5_conv1"}, {name: "features.26", keras: "block5_conv2"}, {name: "features.28", keras: "block5_conv3"},
}

// vgg returns the published tensors of VGG-16 up to its features.
func vgg(v networks.Variant) fake {
	f, in := fake{}, int64(3)
	for i, c := range convs {
		out := []int64{64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512}[i]
		if v == networks.Torchvision {
			f[c.name+".weight"], f[c.name+".bias"] = []int64{out, in, 3, 3}, []int64{out}
		} else {
			f[c.keras+"/"+c.keras+"/kernel:0"], f[c.keras+"/"+c.keras+"/bias:0"] = []int64{3, 3, in, out}, []int64{out}
		}
		in = out
	}
	return f
}

func (f fake) with(more fake) fake {
	f = maps.Clone(f)
	maps.Copy(f, more)
	return f
}

func (f fake) without(name string) fake {
	f = maps.Clone(f)
	delete(f, name)
	return f
}

// fromFake builds a network from fake weights in memory.
func fromFake(t *testing.T, n networks.Network, v networks.Variant, f fake) (*models.Contract, []byte, error) {
	t.Helper()
	var b bytes.Buffer
	c, err := networks.Build(t.Context(), &b, networks.Options{Network: n, Variant: v, Weights: f, Source: "fake"})
	return c, b.Bytes(), err
}

func TestHeads(t *testing.T) {
	torch, keras := vgg(networks.Torchvision), vgg(networks.Keras)
	flat := fake{}
	for name, shape := range keras {
		name = strings.TrimSuffix(name[strings.IndexByte(name, '/')+1:], ":0")
		flat[strings.ReplaceAll(name, "/", "_")] = shape
	}
	for name, c := range map[string]struct {
		variant networks.Variant
		weights fake
		classes int
	}{
		"two layers": {
			variant: networks.Torchvision,
			weights: torch.with(fake{"classifier.0.weight": {9, 25088}, "classifier.0.bias": {9}, "classifier.11.weight": {4, 9}}),
			classes: 4,
		},
		"timm": {variant: networks.Torchvision, weights: torch.with(fake{
			"pre_logits.fc1.weight": {16, 512, 7, 7}, "pre_logits.fc1.bias": {16},
			"pre_logits.fc2.weight": {16, 16, 1, 1}, "pre_logits.fc2.bias": {16},
			"head.fc.weight": {5, 16}, "head.fc.bias": {5}}), classes: 5},
		"flatten": {variant: networks.Keras, weights: keras.with(fake{"dense/kernel:0": {25088, 6}, "dense/bias:0": {6}}), classes: 6},
		// Names as in an .npz. By the order of their names alone, the chain would end at 3.
		"pooled": {variant: networks.Keras, weights: flat.with(fake{"a_kernel": {8, 3}, "b_kernel": {8, 8}, "c_kernel": {512, 8}, "c_bias": {8}}), classes: 3},
	} {
		t.Run(name, func(t *testing.T) {
			contract, model, err := fromFake(t, networks.VGG16, c.variant, c.weights)
			if err != nil {
				t.Fatal(err)
			}
			if contract.Classes != c.classes || contract.Source != "fake" || contract.SourceDigest != "sha256:fake" {
				t.Errorf("contract is %+v, want %d classes", contract, c.classes)
			}
			path := filepath.Join(t.TempDir(), "model.onnx")
			if err := os.WriteFile(path, model, 0o644); err != nil {
				t.Fatal(err)
			}
			m, err := models.Open(path, models.OpenOptions{})
			if err != nil || m.Contract.Digest() != withNumbers(*contract).Digest() {
				t.Fatalf("opens as %+v, %v", m, err)
			}
			if m.Architecture != models.VGG16 {
				t.Errorf("the network is recognised as %q", m.Architecture)
			}
		})
	}
}

// withNumbers returns the contract of the opened model, in which the labels of unnamed
// classes are their numbers.
func withNumbers(c models.Contract) models.Contract {
	for i := range c.Classes {
		c.Labels = append(c.Labels, fmt.Sprint(i))
	}
	return c
}

func TestBuildRefuses(t *testing.T) {
	torch := vgg(networks.Torchvision).with(fake{"classifier.0.weight": {7, 25088}, "classifier.0.bias": {7}})
	keras := vgg(networks.Keras)
	options := func(v networks.Variant, f fake) networks.Options {
		return networks.Options{Network: networks.VGG16, Variant: v, Weights: f}
	}
	six, labels := options(networks.Torchvision, torch), options(networks.Torchvision, torch)
	six.Classes, labels.Labels = 6, []string{"cat", "dog"}
	for name, c := range map[string]struct {
		o    networks.Options
		says []string
	}{
		"missing": {o: options(networks.Torchvision, torch.without("features.10.bias")), says: []string{"features.10.bias [256] is missing"}},
		"misshapen": {o: options(networks.Torchvision, torch.with(fake{"features.2.weight": {64, 3, 3, 3}})),
			says: []string{"features.2.weight has the shape [64 3 3 3], and should have [64 64 3 3]"}},
		"surplus": {
			o:    options(networks.Torchvision, torch.with(fake{"features.1.running_mean": {64}})),
			says: []string{"features.1.running_mean [64] is unused"},
		},
		"no head":  {o: options(networks.Torchvision, vgg(networks.Torchvision)), says: []string{"classifier.6.weight [1000 4096] is missing"}},
		"no chain": {o: options(networks.Keras, keras.with(fake{"dense/kernel": {300, 6}})), says: []string{"25088 or 512", "dense 300 to 6"}},
		"sigmoid":  {o: options(networks.Keras, keras.with(fake{"dense/kernel": {512, 1}})), says: []string{"dense", "sigmoid"}},
		"twice":    {o: options(networks.Keras, keras.with(fake{"a/kernel:0": {512, 1}, "a/kernel": {512, 1}})), says: []string{`"a/kernel"`, `"a/kernel:0"`}},
		"variant":  {o: options(networks.Keras, torch), says: []string{"block1_conv1/kernel [3 3 3 64] is missing", "is unused"}},
		"classes":  {o: six, says: []string{"7 classes", "not 6"}},
		"labels":   {o: labels, says: []string{"2 labels", "7 classes"}},
		"network":  {o: networks.Options{Network: "vgg19", Variant: networks.Keras}, says: []string{"vgg19"}},
		"tf":       {o: networks.Options{Network: networks.VGG16, Variant: "tf"}, says: []string{`"tf"`}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := networks.Build(t.Context(), io.Discard, c.o)
			for _, s := range c.says {
				if !errors.Is(err, models.ErrModel) || !strings.Contains(err.Error(), s) {
					t.Errorf("got %v, want ErrModel about %q", err, s)
				}
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := networks.Build(ctx, io.Discard, options(networks.Torchvision, torch)); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the context's error", err)
	}
}

// The networks have as many parameters as the published ones, without the running
// statistics of their normalisation.
func TestParameters(t *testing.T) {
	for _, c := range []struct {
		network    networks.Network
		variant    networks.Variant
		parameters int64
	}{
		{network: networks.VGG16, variant: networks.Torchvision, parameters: 138_357_544},
		{network: networks.VGG16, variant: networks.Keras, parameters: 138_357_544},
		{network: networks.InceptionV3, variant: networks.Torchvision, parameters: 23_834_568},
		{network: networks.InceptionV3, variant: networks.Keras, parameters: 23_851_784 - statistics},
	} {
		t.Run(fmt.Sprintf("%s/%s", c.network, c.variant), func(t *testing.T) {
			n, counted := int64(0), networks.Tensors(t, c.network, c.variant)
			for _, u := range counted {
				if strings.Contains(u.Name, "running_") || strings.Contains(u.Name, "moving_") {
					continue
				}
				size := int64(1)
				for _, d := range u.Shape {
					size *= d
				}
				n += size
			}
			if n != c.parameters {
				t.Errorf("%d parameters, want %d", n, c.parameters)
			}
		})
	}
}

// statistics is the number of Inception V3's parameters that Keras counts but does not
// train.
const statistics = 34_432

func TestRandomModels(t *testing.T) {
	write := func(seed uint64) []byte {
		var b bytes.Buffer
		c, err := networks.Build(t.Context(), &b, networks.Options{
			Network: networks.InceptionV3, Variant: networks.Keras, Seed: seed, Labels: []string{"a", "b"}, Classes: 2,
		})
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(c.Labels, []string{"random:a", "random:b"}) {
			t.Errorf("labels are %q", c.Labels)
		}
		if !networks.Random(c) || !strings.Contains(c.Name, "random") || c.Source != fmt.Sprint("random:seed=", seed) {
			t.Errorf("the contract does not say that its model is random: %+v", c)
		}
		return b.Bytes()
	}
	one := write(1)
	file := filepath.Join(t.TempDir(), "model.onnx")
	if err := os.WriteFile(file, one, 0o644); err != nil {
		t.Fatal(err)
	}
	if m, err := models.Open(file, models.OpenOptions{}); err != nil || m.Architecture != models.InceptionV3 {
		t.Errorf("opens as %+v, %v", m, err)
	}
	if !bytes.Equal(one, write(1)) {
		t.Error("a second model with the same seed differs")
	}
	if networks.Random(&models.Contract{Source: "vgg16.safetensors"}) {
		t.Error("Random() = true for a model from a file")
	}
}

// The weights may contain the auxiliary head, which has 3,326,696 parameters.
func TestAuxiliaryHead(t *testing.T) {
	trunk := fake{}
	for _, u := range networks.Tensors(t, networks.InceptionV3, networks.Torchvision) {
		trunk[u.Name] = u.Shape
		if layer, ok := strings.CutSuffix(u.Name, ".running_var"); ok {
			trunk[layer+".num_batches_tracked"] = []int64{}
		}
	}
	auxiliary := fake{
		"AuxLogits.conv0.conv.weight": {128, 768, 1, 1}, "AuxLogits.conv0.bn.weight": {128}, "AuxLogits.conv0.bn.bias": {128},
		"AuxLogits.conv1.conv.weight": {768, 128, 5, 5}, "AuxLogits.conv1.bn.weight": {768}, "AuxLogits.conv1.bn.bias": {768},
		"AuxLogits.fc.weight": {1000, 768}, "AuxLogits.fc.bias": {1000},
	}
	n := 0.0
	for _, shape := range auxiliary {
		size := 1.0
		for _, d := range shape {
			size *= float64(d)
		}
		n += size
	}
	if want := 27_161_264.0 - 23_834_568; math.Abs(n-want) > 0 {
		t.Fatalf("the auxiliary head has %v parameters, want %v", n, want)
	}
	_, model, err := fromFake(t, networks.InceptionV3, networks.Torchvision, trunk.with(auxiliary))
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(model, []byte("AuxLogits")) {
		t.Error("the auxiliary head is part of the model")
	}
	_, _, err = fromFake(t, networks.InceptionV3, networks.Torchvision, trunk.with(fake{"AuxLogits.fc.weight": {1000, 700}}))
	if !errors.Is(err, models.ErrModel) || !strings.Contains(err.Error(), "AuxLogits.fc.weight [1000 700]") {
		t.Errorf("got %v, want ErrModel about the misshapen auxiliary head", err)
	}
}

// TestSize: a network whose features are pooled is built for images of any size, others are
// refused.
func TestSize(t *testing.T) {
	for _, c := range []struct {
		network networks.Network
		variant networks.Variant
		refused bool
	}{
		{network: networks.ResNet18, variant: networks.Transformers},
		{network: networks.MobileNetV3Small, variant: networks.TF},
		{network: networks.VGG16, variant: networks.Torchvision, refused: true},
		{network: networks.ViTB16, variant: networks.Transformers, refused: true},
	} {
		o := networks.Options{Network: c.network, Variant: c.variant, Size: 384, Bare: true}
		got, err := networks.Build(t.Context(), io.Discard, o)
		switch {
		case c.refused:
			if !errors.Is(err, models.ErrModel) || !strings.Contains(err.Error(), "384x384") {
				t.Errorf("%s: %v", c.network, err)
			}
		case err != nil:
			t.Errorf("%s: %v", c.network, err)
		case got.Preprocess.Width != 384 || got.Preprocess.Height != 384:
			t.Errorf("%s takes %dx%d", c.network, got.Preprocess.Width, got.Preprocess.Height)
		}
	}
}

func TestRecognise(t *testing.T) {
	keras := vgg(networks.Keras).with(fake{"dense/kernel": {512, 6}, "dense/bias": {6}})
	if got := networks.Recognise(t.Context(), keras); !slices.Equal(got, []networks.Network{networks.VGG16}) {
		t.Errorf("VGG-16's weights are those of %v", got)
	}
	if got := networks.Recognise(t.Context(), fake{"conv1.weight": {64, 3, 7, 7}}); got != nil {
		t.Errorf("a single layer is that of %v", got)
	}
}
