package models

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/batchscore/batchscore/models/preprocess"
)

// folderKind says what a folder given as a model is, and what to give instead.
func folderKind(dir string) string {
	has := func(name string) bool {
		_, err := os.Stat(filepath.Join(dir, name))
		return err == nil
	}
	var found []string
	for _, pattern := range []string{"model.onnx", "onnx/model.onnx", "*.onnx", "onnx/*.onnx", "*/*.onnx"} {
		matches, _ := filepath.Glob(filepath.Join(dir, pattern))
		for _, m := range matches {
			if !slices.Contains(found, m) {
				found = append(found, m)
			}
		}
	}
	switch {
	case len(found) > 0:
		text := "is a folder; its model is " + filepath.Base(found[0])
		if len(found) > 1 {
			text = fmt.Sprintf("is a folder with %d models", len(found))
		}
		return text + ": --model " + quoted(found[0]) + hints(dir, filepath.Dir(found[0]))
	case has("saved_model.pb"):
		return strings.Replace(savedModel(dir), "it is", "is", 1)
	case has("model.json"):
		return "is a folder with a TensorFlow.js model; import it: batchscore models import " + quoted(dir) + " -o " + quoted(filepath.Join(dir, "model.onnx"))
	case has("config.json") && (has("model.safetensors") || has("pytorch_model.bin")):
		return "is a folder of Hugging Face without an ONNX file; export it: optimum-cli export onnx --task image-classification --model " + quoted(dir) + " " + quoted(filepath.Join(dir, "onnx"))
	}
	return "is a folder, and no .onnx file lies in it"
}

// hints are flags for what the files of a Hugging Face folder say: the labels in
// config.json and the pixels in preprocessor_config.json.
func hints(dirs ...string) string {
	text := ""
	for _, dir := range dirs {
		config := filepath.Join(dir, "config.json")
		var c struct {
			Labels map[string]string `json:"id2label"`
		}
		if readJSON(config, &c) && len(c.Labels) > 0 {
			text = " --labels " + quoted(config)
		}
	}
	for _, dir := range dirs {
		var p processor
		if readJSON(filepath.Join(dir, "preprocessor_config.json"), &p) {
			return text + p.flags()
		}
	}
	return text
}

// processor is what matters of a preprocessor_config.json of transformers.
type processor struct {
	Resample  *int            `json:"resample"`
	Rescale   *float64        `json:"rescale_factor"`
	DoRescale *bool           `json:"do_rescale"`
	DoNorm    *bool           `json:"do_normalize"`
	DoCrop    *bool           `json:"do_center_crop"`
	Mean      []float32       `json:"image_mean"`
	Std       []float32       `json:"image_std"`
	Size      json.RawMessage `json:"size"`
	Crop      json.RawMessage `json:"crop_size"`
}

// side is a size as transformers writes it: a number, or an object.
type side struct {
	Shortest int `json:"shortest_edge"`
	Height   int `json:"height"`
	Width    int `json:"width"`
}

func sideOf(text json.RawMessage) (s side) {
	var n int
	if json.Unmarshal(text, &n) == nil {
		return side{Height: n, Width: n}
	}
	if json.Unmarshal(text, &s) != nil {
		return side{}
	}
	return s
}

// flags say the same to batchscore. What has no counterpart is left out, and so
// asked.
func (p processor) flags() string {
	var text strings.Builder
	say := func(format string, args ...any) { fmt.Fprintf(&text, " "+format, args...) }
	yes := func(b *bool, otherwise bool) bool { return b == nil && otherwise || b != nil && *b }
	size, crop := sideOf(p.Size), sideOf(p.Crop)
	switch {
	case yes(p.DoCrop, false) && crop.Width > 0 && size.Shortest > 0:
		say("--width %d --height %d --fit %s --resize-to %d", crop.Width, crop.Height, preprocess.CenterCrop, size.Shortest)
	case !yes(p.DoCrop, false) && size.Width > 0:
		say("--width %d --height %d --fit %s", size.Width, size.Height, preprocess.Stretch)
	}
	if p.Resample != nil {
		if r, ok := map[int]preprocess.Resize{0: preprocess.PillowNearest, 1: preprocess.PillowLanczos, 2: preprocess.PillowBilinear, 3: preprocess.PillowBicubic}[*p.Resample]; ok {
			say("--resize %s", r)
		}
	}
	scale := 1. / 255
	if p.Rescale != nil {
		scale = *p.Rescale
	}
	if yes(p.DoRescale, true) {
		if over := 1 / scale; over > 1 && over-float64(int(over+0.5)) < 1e-6 && over-float64(int(over+0.5)) > -1e-6 {
			say("--scale 1/%d", int(over+0.5))
		} else {
			say("--scale %g", scale)
		}
	}
	if yes(p.DoNorm, true) && len(p.Mean) == 3 && len(p.Std) == 3 {
		say("--mean %v,%v,%v --std %v,%v,%v", p.Mean[0], p.Mean[1], p.Mean[2], p.Std[0], p.Std[1], p.Std[2])
	}
	say("--bgr=false")
	return text.String()
}

func readJSON(file string, v any) bool {
	text, err := readSmall(file, maxSidecar)
	return err == nil && json.Unmarshal(text, v) == nil
}
