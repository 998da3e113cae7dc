package ort_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/fetched"
	"github.com/batchscore/batchscore/models/ort"
	"github.com/batchscore/batchscore/models/ort/orttest"
	"github.com/batchscore/batchscore/models/preprocess"
	"github.com/batchscore/batchscore/models/tfjs"
)

// These tests compare the whole chain from a TensorFlow.js model and an image file to
// scores with what TensorFlow.js itself computes. The references and the scripts that made
// them are in models/tfjs/testdata.

// engine imports a model and opens it.
func engine(t *testing.T, source string, o tfjs.Options) (*models.Model, *ort.Engine) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "model.onnx")
	if _, err := tfjs.ImportFile(t.Context(), source, file, o); err != nil {
		t.Fatal(err)
	}
	return orttest.Open(t, file)
}

// difference returns the largest difference between two rows.
func difference(a []float32, b []float64) float64 {
	worst := 0.0
	for i := range a {
		worst = max(worst, float64(a[i])-b[i], b[i]-float64(a[i]))
	}
	return worst
}

// All kinds of layers, float32 and quantised weights, and both kinds of pixels, on images
// of the model's own size.
func TestImportedLayersEqualTensorFlow(t *testing.T) {
	for _, name := range []string{"functional", "sequential", "mobile", "nested", "graph"} {
		for _, pixels := range []preprocess.DType{preprocess.Uint8, preprocess.Float32} {
			t.Run(name+"/"+string(pixels), func(t *testing.T) { compareSmall(t, name, pixels) })
		}
	}
}

func compareSmall(t *testing.T, name string, pixels preprocess.DType) {
	dir := filepath.Join("../tfjs/testdata/small", name)
	m, e := engine(t, dir, tfjs.Options{Pixels: pixels})
	var answer struct {
		Pixels string
		Scores [][]float64
	}
	text, err := os.ReadFile(filepath.Join(dir, "answer.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		t.Fatal(err)
	}
	images, err := base64.StdEncoding.DecodeString(answer.Pixels)
	if err != nil {
		t.Fatal(err)
	}
	b, err := e.NewBatch(len(answer.Scores))
	if err != nil {
		t.Fatal(err)
	}
	spec := m.Contract.Preprocess
	if n := spec.Width * spec.Height * 3 * len(answer.Scores); n != len(images) {
		t.Fatalf("%d bytes of pixels, want %d", len(images), n)
	}
	if pixels == preprocess.Uint8 {
		copy(b.Pixels, images)
	} else {
		planes(b.Pixels, images, spec)
	}
	if err := e.Score(t.Context(), b, 0, len(answer.Scores)); err != nil {
		t.Fatal(err)
	}
	for i, want := range answer.Scores {
		got := b.Scores[i*m.Contract.Classes:][:m.Contract.Classes]
		if d := difference(got, want); d > 1e-6 {
			t.Errorf("image %d: %v, TensorFlow.js has %v", i, got, want)
		}
	}
}

// planes writes images of bytes, [N,H,W,3], as float planes, [N,3,H,W].
func planes(dst, images []byte, s preprocess.Spec) {
	area := s.Width * s.Height
	for i, v := range images {
		image, pixel, channel := i/(3*area), i/3%area, i%3
		at := 4 * ((image*3+channel)*area + pixel)
		binary.NativeEndian.PutUint32(dst[at:], math.Float32bits(float32(v)*s.Scale))
	}
}

// The trained models give every sample image the same label as in TensorFlow.js, with scores
// within 0.01. One of them is a graph model, the others are layers models.
func TestSampleImagesScoreAsInTensorFlow(t *testing.T) {
	for name, file := range map[string]string{
		"inception_v3": "reference.json", "mobilenet_v2": "reference-mobilenet_v2.json", "mobilenet_v2_mid": "reference-mobilenet_v2_mid.json",
	} {
		t.Run(name, func(t *testing.T) { compareSamples(t, name, filepath.Join("../tfjs/testdata", file)) })
	}
}

func compareSamples(t *testing.T, network, reference string) {
	var expected struct {
		Images map[string]struct {
			SHA256        string
			Probabilities []float64
		}
	}
	text, err := os.ReadFile(reference)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &expected); err != nil {
		t.Fatal(err)
	}
	images := sampleImages(t)
	_, err = os.Stat(fetched.Path("nsfwjs-4.4.0.tgz"))
	fetched.Need(t, err)
	m, e := engine(t, fetched.Path("nsfwjs-4.4.0.tgz"), tfjs.Options{Path: "dist/models/" + network})
	b, err := e.NewBatch(1)
	if err != nil {
		t.Fatal(err)
	}
	d, err := preprocess.NewDecoder(m.Contract.Preprocess, preprocess.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()

	worst, photos := 0.0, 0
	for name, want := range expected.Images {
		path, ok := images[name]
		if !ok {
			t.Errorf("%s of the reference is not among the sample images", name)
			continue
		}
		src, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if sum := sha256.Sum256(src); hex.EncodeToString(sum[:]) != want.SHA256 {
			t.Errorf("%s is not the image from which the reference was made", name)
			continue
		}
		if err := d.Decode(b.Pixels, src); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if err := e.Score(t.Context(), b, 0, 1); err != nil {
			t.Fatal(err)
		}
		if filepath.Base(filepath.Dir(path)) == "photos" {
			photos++
		}
		diff := difference(b.Scores, want.Probabilities)
		worst = max(worst, diff)
		if top(b.Scores) != top(want.Probabilities) || diff > 0.01 {
			t.Errorf("%s: %.4f, TensorFlow.js has %.4f", name, b.Scores, want.Probabilities)
		}
		delete(images, name)
	}
	for name := range images {
		t.Errorf("%s has no reference", name)
	}
	if photos < 24 {
		t.Errorf("%d photographs were compared, want at least 24", photos)
	}
	t.Logf("%d images, %d of them photographs; largest difference %.5f", len(expected.Images), photos, worst)
}

// sampleImages finds the sample images that can be decoded, by name.
func sampleImages(t *testing.T) map[string]string {
	t.Helper()
	images := map[string]string{}
	fetched.Need(t, filepath.WalkDir(fetched.Path("images"), func(path string, f fs.DirEntry, err error) error {
		if broken, _ := filepath.Match("broken-*", filepath.Base(path)); err == nil && !f.IsDir() && !broken {
			images[f.Name()] = path
		}
		return err
	}))
	return images
}

func top[T float32 | float64](row []T) int { return slices.Index(row, slices.Max(row)) }
