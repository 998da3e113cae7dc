package origin

import (
	"regexp"
	"slices"
	"strings"

	"github.com/batchscore/batchscore/models"
)

// kerasModes are what preprocess_input of keras.applications does, by the beginnings of
// the networks' names. The longest that matches counts.
var kerasModes = map[string]string{
	"vgg16": "caffe", "vgg19": "caffe", "resnet50": "caffe", "resnet101": "caffe", "resnet152": "caffe",
	"inception": "tf", "xception": "tf", "mobilenet": "tf", "resnet50v2": "tf", "resnet101v2": "tf", "resnet152v2": "tf", "nasnet": "tf",
	"densenet": "torch", "mobilenetv3": "none", "efficientnet": "none", "convnext": "none",
}

// kerasLayer is a layer in a config.json of Keras, or a model, which has layers.
type kerasLayer struct {
	Class  string `json:"class_name"`
	Config struct {
		Name   string       `json:"name"`
		Layers []kerasLayer `json:"layers"`
	} `json:"config"`
}

// has reports whether the model has a layer of that class, also in models within it.
func (l *kerasLayer) has(class string) bool {
	return slices.ContainsFunc(l.Config.Layers, func(l kerasLayer) bool { return l.Class == class || l.has(class) })
}

var separators = regexp.MustCompile("[-_. ]")

// readKeras reads the config.json of an unpacked .keras file, whose model is a network
// of keras.applications.
func (r *reader) readKeras() {
	var c kerasLayer
	path, _ := r.json("config.json", &c)
	if path == "" || c.Class != "Functional" && c.Class != "Sequential" {
		return
	}
	r.is("Keras's "+c.Config.Name, "")
	name := separators.ReplaceAllString(strings.ToLower(c.Config.Name), "")
	mode, matched := "", ""
	for prefix, m := range kerasModes {
		if strings.HasPrefix(name, prefix) && len(prefix) > len(matched) {
			mode, matched = m, prefix
		}
	}
	switch {
	case c.has("Rescaling"):
		mode = "none" // the graph scales the pixels itself
	case mode != "none" && c.has("Normalization"):
		r.note("%s: its layer Normalization brings pixels into a range, and does not say from which one", path)
		mode = ""
	}
	a := models.Answers{BGR: to(false)}
	switch mode {
	case "caffe":
		a.BGR, a.Scale, a.Mean = to(true), to[float32](1), []float32{123.68, 116.779, 103.939}
	case "tf":
		a.Scale, a.Mean = to(float32(1/127.5)), []float32{1, 1, 1}
	case "torch":
		a.Scale, a.Mean, a.Std = to(float32(1./255)), float32s(imagenetMean), float32s(imagenetStd)
	case "none":
		a.Scale = to[float32](1)
	default:
		return
	}
	r.answer(path+" ("+c.Config.Name+" of keras.applications)", a)
}

func float32s(list []float64) (out []float32) {
	for _, v := range list {
		out = append(out, float32(v))
	}
	return out
}
