package networks_test

import (
	"compress/gzip"
	"encoding/binary"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/models/networks"
	"github.com/batchscore/batchscore/models/preprocess"
	"github.com/batchscore/batchscore/models/weights"
)

// The logits of these tests are of 4 images and 16 classes, and come from
// testdata/reference/network_logits.py.
const (
	fewImages  = 4
	fewClasses = 16
)

// imageNet is how the script prepares images for every network.
var imageNet = preprocess.Spec{
	Width: 224, Height: 224, Scale: 1. / 255, Mean: []float32{0.485, 0.456, 0.406}, Std: []float32{0.229, 0.224, 0.225},
}

// The networks compute in ONNX Runtime what torchvision's and timm's do in PyTorch.
func TestNetworkLogits(t *testing.T) {
	reference := open(t, "testdata/networks.npz")
	for _, tensor := range reference.Tensors() {
		t.Run(tensor.Name, func(t *testing.T) {
			if !thorough && slices.Contains([]string{"resnet34", "resnet101"}, tensor.Name) {
				return // another one of its kind is compared; make models-check compares all
			}
			o := networks.Options{Network: networks.Network(tensor.Name), Variant: networks.Torchvision, Seed: seed, Classes: fewClasses}
			if o.Network == networks.EfficientNetLite0 {
				o.Variant = networks.TF
			}
			want := make([]float32, fewImages*fewClasses)
			if err := reference.Read(tensor.Name, want); err != nil {
				t.Fatal(err)
			}
			likeReference(t, o, want)
		})
	}
}

// likeReference builds a network and compares its logits.
func likeReference(t *testing.T, o networks.Options, want []float32) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "model.onnx")
	build(t, file, o)
	got := score(t, file, fewImages, &imageNet)
	t.Logf("largest difference %.2g of the largest logit", compare(t, got, want, fewClasses, 1e-4))
}

// Weights by the names of timm, transformers and efficientnet_pytorch, as the script has
// written them to the folder $BATCHSCORE_NETWORKS, give the logits of those libraries.
func TestForeignLogits(t *testing.T) {
	dir := os.Getenv("BATCHSCORE_NETWORKS")
	if dir == "" {
		return // the folder that network_logits.py wrote; make models-check names it
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: %v", dir, err)
	}
	reference := open(t, "testdata/networks.npz")
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), filepath.Ext(file))
		if filepath.Ext(file) == ".npy" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			network, variant, _ := strings.Cut(name, "-")
			o := networks.Options{Network: networks.Network(network), Variant: networks.Variant(variant), ResizeTo: 256, Weights: open(t, file)}
			want := make([]float32, fewImages*fewClasses)
			if filepath.Ext(file) == ".pth" { // of the networks in the file of logits
				if variant == "efficientnet_pytorch" {
					o.Variant = networks.TF
				}
				if err := reference.Read(network, want); err != nil {
					t.Fatal(err)
				}
			} else {
				raw, err := os.ReadFile(filepath.Join(dir, name+".npy"))
				if err != nil {
					t.Fatal(err)
				}
				if _, err := binary.Decode(raw[len(raw)-4*len(want):], binary.LittleEndian, want); err != nil {
					t.Fatal(err)
				}
			}
			likeReference(t, o, want)
		})
	}
}

// Every tensor of those libraries' networks has a place in the network that is built.
func TestForeignNames(t *testing.T) {
	f, err := os.Open("testdata/names.json.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var all map[string]map[string][]int64
	if err := json.NewDecoder(z).Decode(&all); err != nil {
		t.Fatal(err)
	}
	if len(all) < 15 {
		t.Errorf("names of %d networks", len(all))
	}
	for what, tensors := range all {
		t.Run(what, func(t *testing.T) {
			words := strings.Fields(what)
			o := networks.Options{Network: networks.Network(words[0]), Variant: networks.Variant(words[1]), ResizeTo: 256}
			o.Weights = fake(tensors)
			networks.Fits(t, o)
			wrapped := fake{}
			for name, shape := range tensors {
				wrapped["module._orig_mod."+name] = shape
			}
			o.Weights = wrapped
			networks.Fits(t, o)
			// None of them may be left out.
			for _, name := range slices.Sorted(maps.Keys(tensors)) {
				o.Weights = fake(tensors).without(name)
				// A dense layer needs no bias.
				if networks.Fit(o) == nil && !strings.HasSuffix(name, "num_batches_tracked") && name != "classifier.1.bias" && name != "fc.bias" {
					t.Errorf("nothing is missed without %s", name)
				}
			}
		})
	}
}

// Of what torchvision has published twice, the digest tells which recipe it is, or the
// user is asked.
func TestResizeTo(t *testing.T) {
	tensors := fake{}
	for _, u := range networks.Tensors(t, networks.MobileNetV3Large, networks.Torchvision) {
		tensors[u.Name] = u.Shape
	}
	for _, c := range []struct {
		name   string
		digest string
		asked  int
		want   int // 0 for a question
	}{
		{name: "V1", digest: "sha256:8738ca79", want: 256},
		{name: "V2", digest: "sha256:5c1a4163", want: 232},
		{name: "another", digest: "sha256:00000000"},
		{name: "asked", digest: "sha256:00000000", asked: 240, want: 240},
		{name: "asked for less than the crop", digest: "sha256:00000000", asked: 200},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := networks.Options{Network: networks.MobileNetV3Large, Variant: networks.Torchvision, ResizeTo: c.asked}
			o.Weights = digested{tensors, c.digest}
			contract, err := networks.Contract(o)
			switch {
			case c.want == 0 && (err == nil || !strings.Contains(err.Error(), map[bool]string{true: "--resize-to", false: "200"}[c.asked == 0])):
				t.Errorf("got %v, want a question", err)
			case c.want != 0 && (err != nil || contract.Preprocess.ResizeTo != c.want):
				t.Errorf("got %+v, %v, want %d", contract, err, c.want)
			}
		})
	}
}

// digested are weights with that digest.
type digested struct {
	weights.Source
	digest string
}

func (d digested) Digest() (string, error) { return d.digest, nil }
