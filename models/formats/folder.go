package formats

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/batchscore/batchscore/deploy/shellquote"
	"github.com/batchscore/batchscore/models/preprocess"
	"github.com/batchscore/batchscore/scorer/store/atomicfile"
)

// maxConfig is more bytes than any config.json has; a longer one is not read.
const maxConfig = 4 << 20

// DescribeFolder says what a folder that was given as a model is, and what to give
// instead: "is a folder; its model is ...".
func DescribeFolder(dir string) string {
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
		return text + ": --model " + shellquote.Quote(found[0]) + hints(dir, filepath.Dir(found[0]))
	case has("saved_model.pb"):
		return strings.Replace(savedModel(dir), "it is", "is", 1)
	case has("model.json"):
		return "is a folder with a TensorFlow.js model; " + importHint(dir)
	case has("config.json") && (has("model.safetensors") || has("pytorch_model.bin")):
		return "is a folder of Hugging Face without an ONNX file; export it: optimum-cli export onnx --task image-classification --model " +
			shellquote.Quote(dir) + " " + shellquote.Quote(filepath.Join(dir, "onnx"))
	}
	return "is a folder without an .onnx file"
}

// hints returns flags for what the files of a Hugging Face folder say: the labels
// in config.json and the pixels in preprocessor_config.json.
func hints(dirs ...string) string {
	text := ""
	for _, dir := range dirs {
		config := filepath.Join(dir, "config.json")
		var c struct {
			Labels map[string]string `json:"id2label"`
		}
		if readJSON(config, &c) && len(c.Labels) > 0 {
			text = " --labels " + shellquote.Quote(config)
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

// processor is the part of a preprocessor_config.json of transformers that is
// used here.
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

// imageSize is a size as transformers writes it: a number, or an object.
type imageSize struct {
	Shortest int `json:"shortest_edge"`
	Height   int `json:"height"`
	Width    int `json:"width"`
}

func parseSize(text json.RawMessage) (s imageSize) {
	var n int
	if json.Unmarshal(text, &n) == nil {
		return imageSize{Height: n, Width: n}
	}
	if json.Unmarshal(text, &s) != nil {
		return imageSize{}
	}
	return s
}

// resamplings are the policies by their numbers in Pillow.
var resamplings = map[int]preprocess.Resize{
	0: preprocess.PillowNearest, 1: preprocess.PillowLanczos, 2: preprocess.PillowBilinear, 3: preprocess.PillowBicubic,
}

// flags returns the flags of batchscore with the same meaning. What has no
// counterpart is left out; batchscore then asks for it.
func (p processor) flags() string {
	var text strings.Builder
	add := func(format string, args ...any) { fmt.Fprintf(&text, " "+format, args...) }
	isSet := func(b *bool, def bool) bool { return b == nil && def || b != nil && *b }
	size, crop := parseSize(p.Size), parseSize(p.Crop)
	switch {
	case isSet(p.DoCrop, false) && crop.Width > 0 && size.Shortest > 0:
		add("--width %d --height %d --fit %s --resize-to %d", crop.Width, crop.Height, preprocess.CenterCrop, size.Shortest)
	case !isSet(p.DoCrop, false) && size.Width > 0:
		add("--width %d --height %d --fit %s", size.Width, size.Height, preprocess.Stretch)
	}
	if p.Resample != nil {
		if r, ok := resamplings[*p.Resample]; ok {
			add("--resize %s", r)
		}
	}
	scale := 1. / 255
	if p.Rescale != nil {
		scale = *p.Rescale
	}
	if isSet(p.DoRescale, true) {
		if over, whole := 1/scale, math.Round(1/scale); over > 1 && math.Abs(over-whole) < 1e-6 {
			add("--scale 1/%.0f", whole)
		} else {
			add("--scale %g", scale)
		}
	}
	if isSet(p.DoNorm, true) && len(p.Mean) == 3 && len(p.Std) == 3 {
		add("--mean %v,%v,%v --std %v,%v,%v", p.Mean[0], p.Mean[1], p.Mean[2], p.Std[0], p.Std[1], p.Std[2])
	}
	add("--bgr=false")
	return text.String()
}

// readJSON reads a file of JSON into v and reports whether it could.
func readJSON(file string, v any) bool {
	f, err := atomicfile.OpenRegular(file)
	if err != nil {
		return false
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxConfig))
	return err == nil && json.Unmarshal(text, v) == nil
}
