package models_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/graph"
	"github.com/batchscore/batchscore/models/graph/graphtest"
	"github.com/batchscore/batchscore/models/preprocess"
)

func ptr[T any](v T) *T { return &v }

// foreign writes a model without a contract to a new folder and returns its path.
func foreign(t testing.TB, input graphtest.Input, size int) string {
	t.Helper()
	return graphtest.Write(t, graphtest.Options{Input: input, Size: size, NoContract: true})
}

// writeSidecar writes the sidecar of a model.
func writeSidecar(t testing.TB, model, text string) {
	t.Helper()
	if err := os.WriteFile(strings.TrimSuffix(model, ".onnx")+".yaml", []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func flags(a models.Answers) models.OpenOptions {
	return models.OpenOptions{Given: []models.Given{{From: "flags", Answers: a}}}
}

func TestPresets(t *testing.T) {
	imagenet := []float32{0.485, 0.456, 0.406}
	deviation := []float32{0.229, 0.224, 0.225}
	planes := preprocess.Spec{Width: 224, Height: 224, Layout: preprocess.CHW, DType: preprocess.Float32}
	with := func(size int, change func(*preprocess.Spec)) preprocess.Spec {
		s := planes
		s.Width, s.Height = size, size
		change(&s)
		return s
	}
	torch := func(to int) func(*preprocess.Spec) {
		return func(s *preprocess.Spec) {
			s.Resize, s.Fit, s.ResizeTo = preprocess.PillowBilinear, preprocess.CenterCrop, to
			s.Scale, s.Mean, s.Std = 1./255, imagenet, deviation
		}
	}
	for _, c := range []struct {
		preset string
		size   int
		output models.Activation // the graph ends in a softmax, whatever the preset says
		want   preprocess.Spec
	}{
		{preset: "torchvision", size: 224, output: models.Probabilities, want: with(224, torch(256))},
		{preset: "torchvision", size: 299, output: models.Probabilities, want: with(299, torch(342))},
		{preset: "keras-vgg", size: 224, output: models.Probabilities, want: with(224, func(s *preprocess.Spec) {
			s.Resize, s.Fit, s.BGR, s.Mean = preprocess.PillowNearest, preprocess.Stretch, true, []float32{123.68, 116.779, 103.939}
		})},
		{preset: "keras-inception", size: 299, output: models.Probabilities, want: with(299, func(s *preprocess.Spec) {
			s.Resize, s.Fit, s.Scale, s.Mean = preprocess.PillowNearest, preprocess.Stretch, 1/127.5, []float32{1, 1, 1}
		})},
		{preset: "tf-slim", size: 299, output: models.Probabilities, want: with(299, func(s *preprocess.Spec) {
			s.Resize, s.Fit, s.Fraction = preprocess.TFBilinearLegacy, preprocess.CentralFraction, 0.875
			s.Scale, s.Mean = 1/127.5, []float32{1, 1, 1}
		})},
		{preset: "tf-slim-vgg", size: 224, output: models.Probabilities, want: with(224, func(s *preprocess.Spec) {
			s.Resize, s.Fit, s.ResizeTo, s.Mean = preprocess.TFBilinearLegacy, preprocess.SlimCenterCrop, 256, []float32{123.68, 116.78, 103.94}
		})},
	} {
		t.Run(fmt.Sprintf("%s/%d", c.preset, c.size), func(t *testing.T) {
			m, err := models.Open(foreign(t, graphtest.FloatImage, c.size), flags(models.Answers{Preset: c.preset}))
			if err != nil {
				t.Fatal(err)
			}
			got := m.Contract
			if got.Preprocess.Digest() != c.want.Digest() {
				t.Errorf("got %+v\nwant %+v", got.Preprocess, c.want)
			}
			if got.Output != c.output || got.Classes != 10 || got.Name != "tiny" {
				t.Errorf("output %s of %d classes, name %q", got.Output, got.Classes, got.Name)
			}
			d, err := preprocess.NewDecoder(got.Preprocess, preprocess.Options{})
			if err != nil {
				t.Fatal(err)
			}
			d.Close()
		})
	}
}

// If a graph accepts any size and the size is given, the preset knows to what size an
// image is resized before the crop.
func TestPresetOfAnySize(t *testing.T) {
	path := filepath.Join(t.TempDir(), "any.onnx")
	if err := os.WriteFile(path, anySize(t), 0o644); err != nil {
		t.Fatal(err)
	}
	for size, want := range map[int]int{224: 256, 299: 342} {
		a := models.Answers{Preset: "torchvision", Width: ptr(size), Height: ptr(size), Labels: []string{"cat", "dog", "cow"}}
		m, err := models.Open(path, flags(a))
		if err != nil {
			t.Errorf("%d: %v", size, err)
			continue
		}
		if p := m.Contract.Preprocess; p.Width != size || p.ResizeTo != want {
			t.Errorf("%d: got %+v, want a shortest side of %d", size, p, want)
		}
	}
}

// A preset answers only for the sizes and inputs that its source has.
func TestPresetsLeaveOpen(t *testing.T) {
	for name, c := range map[string]struct {
		path   string
		preset string
		says   string
		not    string
	}{
		"crop of another size": {path: foreign(t, graphtest.FloatImage, 32), preset: "torchvision", says: "--resize-to PIXELS", not: "--bgr"},
		"bytes":                {path: foreign(t, graphtest.Image, 224), preset: "torchvision", says: "--bgr", not: "--scale"},
		"no such preset":       {path: foreign(t, graphtest.FloatImage, 32), preset: "pytorch", says: `no preset "pytorch"`, not: "--resize"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := models.Open(c.path, flags(models.Answers{Preset: c.preset}))
			if !errors.Is(err, models.ErrModel) || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), c.not) {
				t.Errorf("got %v; want ErrModel with %q and without %q", err, c.says, c.not)
			}
		})
	}
}

// All open questions are asked, and no others.
func TestQuestions(t *testing.T) {
	answers := []struct {
		flag   string
		answer func(*models.Answers)
	}{
		{flag: "--resize ", answer: func(a *models.Answers) { a.Resize = ptr(preprocess.Area) }},
		{flag: "--fit ", answer: func(a *models.Answers) { a.Fit = ptr(preprocess.Stretch) }},
		{flag: "--bgr=false", answer: func(a *models.Answers) { a.BGR = ptr(false) }},
		{flag: "--scale ", answer: func(a *models.Answers) { a.Scale = ptr[float32](1) }},
		{flag: "--activation ", answer: func(a *models.Answers) { a.Output = ptr(models.Logits) }},
		{flag: "--width ", answer: func(a *models.Answers) { a.Width, a.Height = ptr(16), ptr(16) }},
		{flag: "--labels ", answer: func(a *models.Answers) { a.Labels = []string{"cat", "dog", "cow"} }},
	}
	path := filepath.Join(t.TempDir(), "any.onnx")
	if err := os.WriteFile(path, anySize(t), 0o644); err != nil {
		t.Fatal(err)
	}
	for i, left := range answers {
		var a models.Answers
		for j, other := range answers {
			if i != j {
				other.answer(&a)
			}
		}
		_, err := models.Open(path, flags(a))
		if !errors.Is(err, models.ErrModel) {
			t.Errorf("without %s: got %v, want ErrModel", left.flag, err)
			continue
		}
		for j, other := range answers {
			if asked := strings.Contains(err.Error(), "      "+other.flag); asked != (i == j) {
				t.Errorf("without %s: asked for %s is %v: %v", left.flag, other.flag, asked, err)
			}
		}
	}
	var all models.Answers
	for _, x := range answers {
		x.answer(&all)
	}
	m, err := models.Open(path, flags(all))
	if err != nil {
		t.Fatal(err)
	}
	if m.Contract.Classes != 3 || m.Contract.Preprocess.Width != 16 {
		t.Errorf("contract is %+v, want 3 classes and a width of 16", m.Contract)
	}
}

// anySize returns a model of float images of any size, which ends neither in a softmax
// nor in a product, and does not declare its classes.
func anySize(t testing.TB) []byte {
	t.Helper()
	g := graph.New("any")
	x := g.Input("images", graph.Float32, graph.Dynamic, 3, graph.Dynamic, graph.Dynamic)
	x = g.Node("GlobalAveragePool", "pool", []graph.Value{x}, graph.Float32, []int64{graph.Dynamic, 3, 1, 1})
	x = g.Node("Squeeze", "row", []graph.Value{x}, graph.Float32, []int64{graph.Dynamic, graph.Dynamic})
	x = g.Node("Tanh", "score", []graph.Value{x}, graph.Float32, []int64{graph.Dynamic, graph.Dynamic})
	g.Output("scores", x)
	model, err := g.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return model
}

// A model that takes bytes scales them itself.
func TestBytesAreNotScaled(t *testing.T) {
	resize, fit, output := preprocess.PillowBilinear, preprocess.Stretch, models.Probabilities
	for _, c := range []struct {
		name string
		add  models.Answers
		says string
	}{
		{name: "nothing said", add: models.Answers{}, says: ""},
		{name: "as they are", add: models.Answers{Scale: ptr[float32](1)}, says: ""},
		{name: "scale", add: models.Answers{Scale: ptr[float32](1. / 255)}, says: "leave out scale, mean and std (flags)"},
		{name: "mean", add: models.Answers{Mean: []float32{1, 2, 3}}, says: "leave out scale, mean and std (flags)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := c.add
			a.Resize, a.Fit, a.BGR, a.Output = &resize, &fit, ptr(false), &output
			_, err := models.Open(foreign(t, graphtest.Image, 8), flags(a))
			if c.says == "" && err != nil || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
				t.Errorf("got %v, want %q", err, c.says)
			}
		})
	}
}

func TestPrecedence(t *testing.T) {
	// The metadata of a valid model say pillow-bilinear, stretch, 1/255.
	path := graphtest.Write(t, graphtest.Options{Input: graphtest.FloatImage, Size: 224})
	open := func(given ...models.Given) *models.Model {
		t.Helper()
		m, err := models.Open(path, models.OpenOptions{Given: given})
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	conflict := func(m *models.Model, text string) {
		t.Helper()
		if !slices.ContainsFunc(m.Conflicts, func(c string) bool { return strings.Contains(c, text) }) {
			t.Errorf("conflicts are %q, want one about %q", m.Conflicts, text)
		}
	}
	plain := open()
	if len(plain.Conflicts) != 0 {
		t.Errorf("conflicts are %q without given answers, want none", plain.Conflicts)
	}
	preset := models.Given{From: "flags", Answers: models.Answers{Preset: "torchvision"}}
	m := open(preset)
	if m.Contract.Preprocess.Fit != preprocess.CenterCrop || m.Contract.Output != models.Probabilities {
		t.Errorf("a preset overrides the metadata, but not the graph; got %+v", m.Contract)
	}
	conflict(m, "output is probabilities, not logits (preset torchvision): the graph ends in Softmax")
	conflict(m, "fit is center-crop (preset torchvision), not stretch (metadata)")

	writeSidecar(t, path, "resize: pillow-lanczos\nbgr: true\noutput: probabilities\n")
	m = open(preset)
	if p := m.Contract.Preprocess; p.Resize != preprocess.PillowLanczos || !p.BGR || p.ResizeTo != 256 || m.Contract.Output != models.Probabilities {
		t.Errorf("a sidecar overrides a preset, which answers the rest; got %+v", m.Contract)
	}
	conflict(m, "bgr is true ("+strings.TrimSuffix(path, ".onnx")+".yaml), not false (preset torchvision)")

	m = open(models.Given{From: "flags", Answers: models.Answers{Resize: ptr(preprocess.Area)}},
		models.Given{From: "registered", Answers: models.Answers{Resize: ptr(preprocess.PillowBicubic), BGR: ptr(false)}})
	if p := m.Contract.Preprocess; p.Resize != preprocess.Area || p.BGR {
		t.Errorf("flags override everything, then what was registered; got %+v", p)
	}
	conflict(m, "resize is area (flags), not pillow-bicubic (registered)")
	if m.Contract.PreprocessDigest() == plain.Contract.PreprocessDigest() {
		t.Error("another resize does not change the digest of the preprocessing")
	}
	// Repeating an answer in another form changes nothing.
	writeSidecar(t, path, "resize: pillow-bilinear\nmean: [0, 0, 0]\nstd: [1, 1, 1]\norientation: upright\n")
	if m = open(); m.Contract.Digest() != plain.Contract.Digest() {
		t.Errorf("got %+v, want %+v", m.Contract, plain.Contract)
	}
}

func TestSidecar(t *testing.T) {
	const sound = "resize: area\nfit: stretch\nbgr: false\nscale: 1\n"
	for name, c := range map[string]struct {
		text string
		says string
	}{
		"sound":            {text: sound},
		"preset":           {text: "preset: keras-inception\nname: mine\n"},
		"labels":           {text: sound + "labels: [a, b, c, d, e, f, g, h, i, j]\n"},
		"labels of a file": {text: sound + "labels_file: labels.txt\n"},
		"as flags": {text: "resize: area\nfit: stretch\nbgr: false\nscale: 1/255\nmean: 0.485, 0.456,0.406\nstd: 1/2,1,1\n" +
			"activation: probabilities\nlabels: labels.txt\n"},
		"with hyphens":      {text: "resize: area\nfit: center-crop\nresize-to: 40\nbgr: false\nscale: 1\nlabels-file: labels.txt\n"},
		"no fraction":       {text: sound[:len(sound)-2] + "much\n", says: "1/255"},
		"unknown key":       {text: sound + "resise: area\n", says: "resise"},
		"key twice":         {text: sound + "resize: area\n", says: "resize"},
		"two documents":     {text: sound + "---\n" + sound, says: "document"},
		"empty":             {text: "", says: "any.yaml"},
		"a list":            {text: "- resize\n", says: "any.yaml"},
		"no number":         {text: sound + "resize_to: many\n", says: "many"},
		"not finite":        {text: "resize: area\nfit: stretch\nbgr: false\nscale: .nan\n", says: "not finite"},
		"two means":         {text: sound + "mean: [1, 2]\n", says: "mean: 2 values"},
		"resize to nothing": {text: sound + "resize_to: 256\n", says: "resize_to"},
		"unknown policy":    {text: "resize: cubic\nfit: stretch\nbgr: false\nscale: 1\n", says: `"cubic"`},
		"unknown fit":       {text: "resize: area\nfit: crop\nbgr: false\nscale: 1\n", says: `"crop"`},
		"unknown preset":    {text: "preset: mine\n", says: `no preset "mine"`},
		"orientation":       {text: sound + "orientation: left\n", says: `"left"`},
		"output":            {text: sound + "output: scores\n", says: `"scores"`},
		"two lists":         {text: sound + "labels: [a]\nlabels_file: labels.txt\n", says: "exclude"},
		"no labels file":    {text: sound + "labels_file: none.txt\n", says: "none.txt"},
		"nine labels":       {text: sound + "labels: [a, b, c, d, e, f, g, h, i]\n", says: "9 labels"},
		"huge":              {text: "# " + strings.Repeat("x", 5<<20), says: "more than"},
		"aliases":           {text: "labels: &a [x,x,x,x,x,x,x,x,x]\nname: [" + strings.Repeat("*a,", 1000) + "]\n", says: "any.yaml"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "any.onnx")
			model := graphtest.Tiny(graphtest.Options{Input: graphtest.FloatImage, NoContract: true})
			for file, body := range map[string]string{
				path: string(model), filepath.Join(dir, "any.yaml"): c.text, filepath.Join(dir, "labels.txt"): "0\n1\n2\n3\n4\n5\n6\n7\n8\n9\n",
			} {
				if err := os.WriteFile(file, []byte(body), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			_, err := models.Open(path, models.OpenOptions{})
			if c.says == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if !errors.Is(err, models.ErrModel) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want ErrModel about %q", err, c.says)
			}
		})
	}
}

// Every offered policy and fit can be used to decode.
func TestOffersDecode(t *testing.T) {
	path := foreign(t, graphtest.FloatImage, 24)
	for _, resize := range models.Resizes() {
		for _, fit := range models.Fits() {
			a := models.Answers{
				Resize: ptr(preprocess.Resize(resize)), Fit: ptr(preprocess.Fit(fit)), BGR: ptr(false), Scale: ptr[float32](1),
			}
			switch f := preprocess.Fit(fit); {
			case f.Crops():
				a.ResizeTo = ptr(32)
			case f == preprocess.CentralFraction:
				a.Fraction = ptr(0.5)
			case f.Pads():
				a.Pad = []float32{1, 2, 3}
			}
			m, err := models.Open(path, flags(a))
			if err != nil {
				t.Errorf("%s, %s: %v", resize, fit, err)
				continue
			}
			d, err := preprocess.NewDecoder(m.Contract.Preprocess, preprocess.Options{})
			if err != nil {
				t.Errorf("%s, %s: %v", resize, fit, err)
				continue
			}
			d.Close()
		}
	}
}
