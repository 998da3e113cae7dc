package models

import (
	"fmt"
	"strings"

	"github.com/batchscore/batchscore/models/preprocess"
)

// Preset is how the models of one source prepare images. All presets turn images
// upright as their EXIF orientation says, which none of the sources does by
// itself; Answers.Orientation can keep them as they are stored.
type Preset struct {
	Name string
	// Matches names the code that the preset reproduces.
	Matches string
	// sides maps the sizes of inputs to their ResizeTo; nil for a preset that does
	// not crop.
	sides   map[int64]int
	answers Answers
}

// Presets are the known presets.
var Presets = []Preset{
	{
		Name: "keras-vgg",
		Matches: "keras.utils.load_img(target_size) with its default, nearest, and preprocess_input of keras.applications.vgg16:" +
			" BGR, ImageNet mean; probabilities",
		answers: Answers{
			Resize: to(preprocess.PillowNearest), Fit: to(preprocess.Stretch), BGR: to(true),
			Scale: to[float32](1), Mean: []float32{123.68, 116.779, 103.939}, Std: []float32{1, 1, 1},
			Output: to(Probabilities),
		},
	},
	{
		Name: "keras-inception",
		Matches: "keras.utils.load_img(target_size) with its default, nearest, and preprocess_input of keras.applications.inception_v3:" +
			" -1 to 1; probabilities",
		answers: Answers{
			Resize: to(preprocess.PillowNearest), Fit: to(preprocess.Stretch), BGR: to(false),
			Scale: to[float32](1 / 127.5), Mean: []float32{1, 1, 1}, Std: []float32{1, 1, 1},
			Output: to(Probabilities),
		},
	},
	{
		Name: "torchvision",
		Matches: "torchvision.transforms of the IMAGENET1K_V1 weights: bilinear on PIL images, Resize(256) and CenterCrop(224) or 342 and 299," +
			" ImageNet mean and deviation; logits",
		sides: map[int64]int{224: 256, 299: 342},
		answers: Answers{
			Resize: to(preprocess.PillowBilinear), Fit: to(preprocess.CenterCrop), BGR: to(false),
			Scale: to[float32](1. / 255),
			Mean:  []float32{0.485, 0.456, 0.406}, Std: []float32{0.229, 0.224, 0.225},
			Output: to(Logits),
		},
	},
	{
		Name: "tf-slim",
		Matches: "preprocess_for_eval of tf-slim's inception_preprocessing: the middle 87.5 %, resize_bilinear without aligned corners," +
			" -1 to 1; probabilities as the graph ends, else asked",
		answers: Answers{
			Resize: to(preprocess.TFBilinearLegacy), Fit: to(preprocess.CentralFraction), Fraction: to(0.875), BGR: to(false),
			Scale: to[float32](1 / 127.5), Mean: []float32{1, 1, 1}, Std: []float32{1, 1, 1},
		},
	},
	{
		Name: "tf-slim-vgg",
		Matches: "preprocess_for_eval of tf-slim's vgg_preprocessing: shortest side 256, central crop, RGB, ImageNet mean;" +
			" probabilities as the graph ends, else asked",
		sides: map[int64]int{224: 256},
		answers: Answers{
			Resize: to(preprocess.TFBilinearLegacy), Fit: to(preprocess.SlimCenterCrop), BGR: to(false),
			Scale: to[float32](1), Mean: []float32{123.68, 116.78, 103.94}, Std: []float32{1, 1, 1},
		},
	},
}

func to[T any](v T) *T { return &v }

// PresetNames returns the names of all presets.
func PresetNames() []string {
	var names []string
	for _, p := range Presets {
		names = append(names, p.Name)
	}
	return names
}

func findPreset(name string) (*Preset, error) {
	for i := range Presets {
		if Presets[i].Name == name {
			return &Presets[i], nil
		}
	}
	return nil, fmt.Errorf("there is no preset %q; the presets are %s", name, strings.Join(PresetNames(), ", "))
}

// presetAnswers returns what a preset answers for m. A graph that takes bytes
// scales them itself, and may swap red and blue itself, so a preset does not
// answer these questions for it.
func presetAnswers(name string, m *Model, given *merged) (Answers, error) {
	p, err := findPreset(name)
	if err != nil {
		return Answers{}, err
	}
	a := p.answers
	width, height := m.side()
	if width < 0 && given.Width != nil {
		width = int64(*given.Width)
	}
	if height < 0 && given.Height != nil {
		height = int64(*given.Height)
	}
	if side, ok := p.sides[min(width, height)]; ok {
		a.ResizeTo = &side
	}
	if m.DType == preprocess.Uint8 {
		a.BGR, a.Scale, a.Mean, a.Std = nil, nil, nil, nil
	}
	return a, nil
}

func spelled[T ~string](values ...T) []string {
	var names []string
	for _, v := range values {
		names = append(names, string(v))
	}
	return names
}
