package networks_test

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/fetched"
	"github.com/batchscore/batchscore/models/networks"
	"github.com/batchscore/batchscore/models/ort/orttest"
	"github.com/batchscore/batchscore/models/preprocess"
	"github.com/batchscore/batchscore/models/tfjs"
	"github.com/batchscore/batchscore/models/weights"
)

// These tests compare what the built networks compute in ONNX Runtime with torchvision.
// The references and the script that made them are in testdata.

// seed is the seed of the references' random weights.
const seed = 7

// thorough requests all images, and VGG-16, whose weights need half a gigabyte: "make
// models-check".
var thorough = os.Getenv("BATCHSCORE_MODELS_CHECK") != ""

func TestTorchvisionLogits(t *testing.T) {
	for _, network := range compared() {
		t.Run(string(network), func(t *testing.T) {
			o := networks.Options{Network: network, Variant: networks.Torchvision, Seed: seed}
			// $BATCHSCORE_SAFETENSORS is the folder to which the script wrote its weights.
			if dir := os.Getenv("BATCHSCORE_SAFETENSORS"); dir != "" {
				o.Weights = open(t, filepath.Join(dir, string(network)+".safetensors"))
			}
			want := make([]float32, 16*1000)
			if err := open(t, "testdata/torchvision.npz").Read(string(network), want); err != nil {
				t.Fatal(err)
			}
			reproduce(t, o, want)
		})
	}
}

func TestKerasLogits(t *testing.T) {
	for _, network := range compared() {
		t.Run(string(network), func(t *testing.T) {
			raw, err := os.ReadFile(fmt.Sprintf("testdata/keras-%s.f32", network))
			if err != nil {
				t.Fatal(err)
			}
			want := make([]float32, 16*1000)
			if _, err := binary.Decode(raw, binary.LittleEndian, want); err != nil {
				t.Fatal(err)
			}
			reproduce(t, networks.Options{Network: network, Variant: networks.Keras, Seed: seed, Logits: true}, want)
		})
	}
}

// compared returns the networks whose logits are compared.
func compared() []networks.Network {
	if thorough {
		return []networks.Network{networks.InceptionV3, networks.VGG16}
	}
	return []networks.Network{networks.InceptionV3}
}

// reproduce builds a network and compares its logits.
func reproduce(t *testing.T, o networks.Options, want []float32) {
	t.Helper()
	images := 2
	if thorough {
		images = 16
	}
	file := filepath.Join(t.TempDir(), "model.onnx")
	build(t, file, o)
	got := score(t, file, images, nil)
	worst := compare(t, got, want[:len(got)], 1000, 1e-4)
	t.Logf("%d images, largest difference %.2g of the largest logit", images, worst)
}

// Keras's network with the trained weights of a TensorFlow.js model computes the same as an
// import of the model's topology. Its head has three dense layers.
func TestTrainedWeights(t *testing.T) {
	archive := fetched.Path("nsfwjs-4.4.0.tgz")
	_, err := os.Stat(archive)
	fetched.Need(t, err)
	const dir = "dist/models/inception_v3"
	imported, built := filepath.Join(t.TempDir(), "imported.onnx"), filepath.Join(t.TempDir(), "built.onnx")
	if _, err := tfjs.ImportFile(t.Context(), archive, imported, tfjs.Options{Path: dir}); err != nil {
		t.Fatal(err)
	}
	s, err := weights.Open(t.Context(), archive, weights.Options{Path: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	build(t, built, networks.Options{Network: networks.InceptionV3, Variant: networks.Keras, Weights: s, Classes: 5})
	pixels := preprocess.Spec{Width: 299, Height: 299, Scale: 1. / 255} // as in their training
	images := 2
	if thorough {
		images = 16
	}
	want, got := score(t, imported, images, &pixels), score(t, built, images, &pixels)
	for i := range want {
		if d := math.Abs(float64(got[i] - want[i])); !(d < 1e-5) {
			t.Errorf("image %d, class %d: %v, imported %v", i/5, i%5, got[i], want[i])
		}
	}
}

func open(t *testing.T, path string) weights.Source {
	t.Helper()
	s, err := weights.Open(t.Context(), path, weights.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func build(t *testing.T, file string, o networks.Options) *models.Contract {
	t.Helper()
	c, err := networks.BuildFile(t.Context(), file, o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// compare compares rows with those of a reference. Each value must be within tolerance of
// the row's largest, and the first class must be the same. Because random weights always
// favour one class, the class that most exceeds its mean over the images must also be the
// same.
func compare(t *testing.T, got, want []float32, classes int, tolerance float64) float64 {
	t.Helper()
	worst := 0.0
	for i := 0; i < len(want); i += classes {
		g, w := got[i:i+classes], want[i:i+classes]
		largest, diff := 0.0, 0.0
		for j := range w {
			largest = max(largest, math.Abs(float64(w[j])))
			diff = max(diff, math.Abs(float64(g[j])-float64(w[j])))
		}
		if !(diff <= tolerance*largest) || top(g) != top(w) {
			t.Errorf("image %d: largest difference %v of %v, class %d instead of %d", i/classes, diff, largest, top(g), top(w))
		}
		worst = max(worst, diff/largest)
	}
	g, w := centred(got, classes), centred(want, classes)
	for i := 0; i < len(w); i += classes {
		if a, b := top(g[i:i+classes]), top(w[i:i+classes]); a != b {
			t.Errorf("image %d stands out in class %d instead of %d", i/classes, a, b)
		}
	}
	return worst
}

func centred(rows []float32, classes int) []float32 {
	out := slices.Clone(rows)
	for j := range classes {
		sum := float32(0)
		for i := j; i < len(rows); i += classes {
			sum += rows[i]
		}
		for i := j; i < len(rows); i += classes {
			out[i] -= sum / float32(len(rows)/classes)
		}
	}
	return out
}

func top(row []float32) int { return slices.Index(row, slices.Max(row)) }

// score scores the first images of pattern with the model in file. Pixels follow spec, or
// the contract if spec is nil.
func score(t *testing.T, file string, images int, spec *preprocess.Spec) []float32 {
	t.Helper()
	m, e := orttest.Open(t, file)
	const batch = 2
	row, classes := m.Contract.Preprocess.RowBytes(), m.Contract.Classes
	if spec == nil {
		spec = &m.Contract.Preprocess
	}
	b, err := e.NewBatch(batch)
	if err != nil {
		t.Fatal(err)
	}
	var rows []float32
	for k := 0; k < images; k += batch {
		for i := range batch {
			pattern(b.Pixels[i*row:][:row], k+i, *spec)
		}
		if err := e.Score(t.Context(), b, 0, batch); err != nil {
			t.Fatal(err)
		}
		rows = append(rows, b.Scores[:batch*classes]...)
	}
	return rows
}

// pattern draws image k in planes of float32, scaled and shifted by spec.
func pattern(dst []byte, k int, spec preprocess.Spec) {
	scale := cmp.Or(spec.Scale, 1)
	for c := range 3 {
		mean, std, plane := float32(0), float32(1), c
		if spec.Mean != nil {
			mean = spec.Mean[c]
		}
		if spec.Std != nil {
			std = spec.Std[c]
		}
		if spec.BGR {
			plane = 2 - c
		}
		for y := range spec.Height {
			for x := range spec.Width {
				s := k % 5
				v := ((x>>s)*(13*(k+1)) ^ (y>>s)*(7*(k+3))) + c*(40+k)
				value := (float32(v&255)*scale - mean) / std
				at := 4 * ((plane*spec.Height+y)*spec.Width + x)
				binary.NativeEndian.PutUint32(dst[at:], math.Float32bits(value))
			}
		}
	}
}
