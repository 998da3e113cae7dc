package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/library"
	"github.com/batchscore/batchscore/models/preprocess"
)

// contractFlags name a model's file and answer what it does not say of itself.
type contractFlags struct {
	dir                  string
	preset               string
	layout, outputName   string
	width, height        int
	resize, fit          string
	resizeTo             int
	fraction             float64
	bgr                  bool
	scale, mean, std     string
	orientation, outputs string
}

func (f *contractFlags) register(cmd *cobra.Command) {
	fs := cmd.Flags()
	registerModels(cmd, &f.dir)
	var presets []string
	for _, p := range models.Presets {
		presets = append(presets, p.Name)
	}
	fs.StringVar(&f.preset, "preset", "", "answers for a model without a contract, by its origin: "+strings.Join(presets, ", ")+"; see models list")
	fs.StringVar(&f.layout, "layout", "", "NCHW or NHWC: the order of the input's axes, where the graph leaves all of them open")
	fs.StringVar(&f.outputName, "output-name", "", "the output that holds the scores, where the graph has several")
	fs.IntVar(&f.width, "width", 0, "width of the images that the model takes, where its graph takes any")
	fs.IntVar(&f.height, "height", 0, "height of the images that the model takes, where its graph takes any")
	fs.StringVar(&f.resize, "resize", "", "resampling, named after the library that it matches: "+strings.Join(models.Resizes(), ", "))
	fs.StringVar(&f.fit, "fit", "", "stretch, center-crop or slim-center-crop with --resize-to, central-fraction with --fraction")
	fs.IntVar(&f.resizeTo, "resize-to", 0, "shortest side in pixels before the crop")
	fs.Float64Var(&f.fraction, "fraction", 0, "part of each side to keep, above 0 and at most 1")
	fs.BoolVar(&f.bgr, "bgr", false, "the model takes blue first; --bgr=false says that it takes red first")
	fs.StringVar(&f.scale, "scale", "", "factor for pixels of 0 to 255, such as 1/255: value = (pixel*scale - mean) / std")
	fs.StringVar(&f.mean, "mean", "", "R,G,B to subtract after scaling")
	fs.StringVar(&f.std, "std", "", "R,G,B to divide by at the end")
	fs.StringVar(&f.orientation, "orientation", "", "upright (turned as EXIF says, the default) or stored (as the pixels lie)")
	fs.StringVar(&f.outputs, "activation", "", "what the model's scores are: probabilities (they sum to 1), logits (a softmax is applied), independent (each from 0 to 1 as it is) or sigmoid (a sigmoid is applied to each, unless the graph ends in one)")
}

// registerModels adds the flag that names the models folder.
func registerModels(cmd *cobra.Command, dir *string) {
	cmd.Flags().StringVar(dir, "models", "", "models folder, with its registry; by default $"+library.DirVar+" or batchscore/models in your configuration folder")
}

// modelsDir is the models folder of a flag, or the default.
func modelsDir(flag string) (string, error) {
	if flag != "" {
		return flag, nil
	}
	return library.Dir()
}

// answers are those given by flags.
func (f *contractFlags) answers(cmd *cobra.Command) (models.Answers, error) {
	a := models.Answers{Preset: f.preset, Layout: strings.ToUpper(f.layout), OutputName: f.outputName}
	set := cmd.Flags().Changed
	for _, n := range []struct {
		flag  string
		value *int
		to    **int
	}{{"width", &f.width, &a.Width}, {"height", &f.height, &a.Height}, {"resize-to", &f.resizeTo, &a.ResizeTo}} {
		if !set(n.flag) {
			continue
		}
		if *n.value < 1 {
			return a, usagef("--%s %d: it takes a number of pixels above zero", n.flag, *n.value)
		}
		*n.to = n.value
	}
	if set("resize") {
		v := preprocess.Resize(f.resize)
		a.Resize = &v
	}
	if set("fit") {
		v := preprocess.Fit(f.fit)
		a.Fit = &v
	}
	if set("fraction") {
		a.Fraction = &f.fraction
	}
	if set("bgr") {
		a.BGR = &f.bgr
	}
	if set("orientation") {
		v := models.Orientation(f.orientation)
		a.Orientation = &v
	}
	if set("activation") {
		v := models.Activation(f.outputs)
		a.Output = &v
	}
	if set("scale") {
		v, err := models.ParseNumber(f.scale)
		if err != nil {
			return a, usagef("--scale %s: it takes a number or a fraction such as 1/255", f.scale)
		}
		a.Scale = &v
	}
	for _, n := range []struct {
		flag, text string
		to         *[]float32
	}{{"mean", f.mean, &a.Mean}, {"std", f.std, &a.Std}} {
		if !set(n.flag) {
			continue
		}
		parts := strings.Split(n.text, ",")
		if len(parts) != 3 {
			return a, usagef("--%s %s: it takes three numbers R,G,B", n.flag, n.text)
		}
		for _, part := range parts {
			v, err := models.ParseNumber(part)
			if err != nil {
				return a, usagef("--%s %s: %q is no number", n.flag, n.text, part)
			}
			*n.to = append(*n.to, v)
		}
	}
	if err := a.Check(); err != nil {
		return a, usage(err)
	}
	return a, nil
}

// locate opens the model that a path, a name or a task stands for, completing
// its contract with the flags, with what it was registered with, and with what
// lies beside it.
func (f *contractFlags) locate(cmd *cobra.Command, word, labels string) (*models.Model, error) {
	answers, err := f.answers(cmd)
	if err != nil {
		return nil, err
	}
	var o models.OpenOptions
	answers.LabelsPath = labels
	o.Given = append(o.Given, models.Given{From: "flags", Answers: answers})
	m, err := library.Open(f.dir, word, o)
	if errors.Is(err, fs.ErrNotExist) && !errors.Is(err, models.ErrModel) {
		here, _ := os.Getwd()
		err = fmt.Errorf("%w; name an ONNX file as it is seen from %s, or a registered model", err, here)
	}
	if err != nil {
		return nil, config(err)
	}
	return m, nil
}
