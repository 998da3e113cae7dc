package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/joint"
	"github.com/batchscore/batchscore/models/library"
	"github.com/batchscore/batchscore/models/onnxfile"
	"github.com/batchscore/batchscore/models/preprocess"
	"github.com/batchscore/batchscore/scorer/row"
)

// contractFlags answer what the file of a model does not say about itself.
type contractFlags struct {
	dir                  string
	preset               string
	layout, outputName   string
	width, height        int
	resize, fit          string
	resizeTo             int
	fraction             float64
	bgr                  bool
	pixels               pixelFlags
	scale, mean, std     string
	orientation, outputs string
	task                 taskFlags
}

func (f *contractFlags) register(cmd *cobra.Command) {
	fs := cmd.Flags()
	registerModels(cmd, &f.dir)
	fs.StringVar(&f.preset, "preset", "",
		"for a model without a contract, use the answers for models of this `ORIGIN`: "+strings.Join(models.PresetNames(), ", ")+"; see models list")
	fs.StringVar(&f.layout, "layout", "", "the input's axes are in this `ORDER`, if the graph leaves all of them open: NCHW or NHWC")
	registerJoined(fs, &f.outputName, "output-name", ",", "the output called `NAME` holds the scores, if the graph has several outputs;"+
		" NAME:embed, NAME:raw and the other tasks say what its numbers are; given several times, rows have an answer of each, in columns that begin with NAME_")
	fs.IntVar(&f.width, "width", 0, "the model takes images `PIXELS` wide, if its graph takes any width")
	fs.IntVar(&f.height, "height", 0, "the model takes images `PIXELS` high, if its graph takes any height")
	fs.StringVar(&f.resize, "resize", "", "resize images by `METHOD`, named after the library that it matches: "+strings.Join(models.Resizes(), ", "))
	fs.StringVar(&f.fit, "fit", "",
		"fit images to the input by `METHOD`: stretch; center-crop, slim-center-crop, hf-center-crop, paddle-center-crop or stretch-crop with --resize-to;"+
			" central-fraction with --fraction; letterbox, pillow-pad, square-pad or paddle-pad-right with --pad")
	fs.IntVar(&f.resizeTo, "resize-to", 0, "resize the shortest side to `PIXELS` before cropping; with stretch-crop the width, and the height too")
	f.pixels.register(fs)
	fs.Float64Var(&f.fraction, "fraction", 0, "keep this `FRACTION` of each side, above 0 and at most 1")
	fs.BoolVar(&f.bgr, "bgr", false, "the model takes blue first; with --bgr=false it takes red first")
	fs.StringVar(&f.scale, "scale", "", "multiply pixels from 0 to 255 by `FACTOR`, such as 1/255: value = (pixel*scale - mean) / std")
	fs.StringVar(&f.mean, "mean", "", "subtract `R,G,B` after scaling, or one number for a grey model")
	fs.StringVar(&f.std, "std", "", "divide by `R,G,B` at the end, or one number for a grey model")
	fs.StringVar(&f.orientation, "orientation", "", "take images `HOW`: upright (rotated as EXIF says, the default) or stored (as their pixels are stored)")
	fs.StringVar(&f.outputs, "activation", "", "the model's scores are of this `KIND`: probabilities (they sum to 1), logits (a softmax is applied),"+
		" independent (each from 0 to 1, used unchanged) or sigmoid (a sigmoid is applied to each, unless the graph ends in one)")
	f.task.register(cmd)
	for _, c := range f.choices() {
		chooseOne(cmd, c.flag, c.words)
	}
}

// choice is a flag that takes one of a few words.
type choice struct {
	flag, value string
	words       []string
}

// choices returns the flags that take one of a few words.
func (f *contractFlags) choices() []choice {
	return append([]choice{
		{flag: "preset", value: f.preset, words: models.PresetNames()},
		{flag: "layout", value: strings.ToUpper(f.layout), words: models.Layouts()},
		{flag: "resize", value: f.resize, words: models.Resizes()},
		{flag: "fit", value: f.fit, words: models.Fits()},
		{flag: "position", value: f.pixels.position, words: models.Positions()},
		{flag: "grey", value: f.pixels.grey, words: models.Greys()},
		{flag: "orientation", value: f.orientation, words: models.Orientations()},
		{flag: "activation", value: f.outputs, words: models.Activations()},
	}, f.task.choices()...)
}

// registerModels adds the flag for the models folder.
func registerModels(cmd *cobra.Command, dir *string) {
	cmd.Flags().StringVar(dir, "models", "",
		"find registered models in `FOLDER` (default $"+library.DirVar+", else batchscore/models in your configuration folder)")
}

// modelsDir returns the models folder that the flag names, or the default one.
func modelsDir(flag string) (string, error) {
	if flag != "" {
		return flag, nil
	}
	return library.Dir()
}

// answers returns what the flags say about the model.
func (f *contractFlags) answers(cmd *cobra.Command) (models.Answers, error) {
	a := models.Answers{Preset: f.preset, Layout: strings.ToUpper(f.layout)}
	if err := f.outputAnswers(&a); err != nil {
		return a, err
	}
	set := cmd.Flags().Changed
	for _, c := range f.choices() {
		if !set(c.flag) {
			continue
		}
		if err := oneOf(c.flag, c.value, c.words); err != nil {
			return a, err
		}
	}
	for _, n := range []struct {
		flag  string
		value *int
		to    **int
	}{{"width", &f.width, &a.Width}, {"height", &f.height, &a.Height}, {"resize-to", &f.resizeTo, &a.ResizeTo},
		{"resize-to-height", &f.pixels.resizeToHeight, &a.ResizeToHeight}} {
		if !set(n.flag) {
			continue
		}
		if *n.value < 1 {
			return a, invalid(n.flag, *n.value, "a number of pixels above zero")
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
			return a, invalid("scale", f.scale, "a number or a fraction such as 1/255")
		}
		a.Scale = &v
	}
	for _, n := range []struct {
		flag, text string
		to         *[]float32
	}{{"mean", f.mean, &a.Mean}, {"std", f.std, &a.Std}, {"pad", f.pixels.pad, &a.Pad}} {
		if !set(n.flag) {
			continue
		}
		v, err := channels(n.flag, n.text)
		if err != nil {
			return a, err
		}
		*n.to = v
	}
	if err := f.pixels.answers(set, &a); err != nil {
		return a, err
	}
	if err := f.task.answers(set, &a); err != nil {
		return a, err
	}
	if err := a.Check(); err != nil {
		return a, usage(err)
	}
	return a, nil
}

// outputAnswers adds what the flag for outputs says: the output to use, with its task, or
// several heads.
func (f *contractFlags) outputAnswers(a *models.Answers) error {
	if f.outputName == "" {
		return nil
	}
	var heads []models.HeadAnswers
	for name := range strings.SplitSeq(f.outputName, ",") {
		var h models.HeadAnswers
		h.OutputName = name
		if i := strings.LastIndexByte(name, ':'); i >= 0 && slices.Contains(models.Tasks(), name[i+1:]) {
			task := name[i+1:]
			h.OutputName, h.Task = name[:i], &task
		}
		if h.OutputName == "" {
			return invalid("output-name", f.outputName, "the name of an output")
		}
		h.Name = joint.Name(h.OutputName)
		heads = append(heads, h)
	}
	if len(heads) == 1 {
		a.OutputName, a.Task = heads[0].OutputName, heads[0].Task
		return nil
	}
	a.Heads = heads
	return nil
}

// wholeName takes the text of the flag for outputs for one name if the graph in the file path has
// an output of that name: names may have a comma, or end as if they said a task.
func (f *contractFlags) wholeName(path string, a *models.Answers) {
	if f.outputName == "" || a.OutputName == f.outputName {
		return
	}
	g, err := onnxfile.Read(path)
	if err != nil { // opening the model says so
		return
	}
	if slices.ContainsFunc(g.Outputs, func(v onnxfile.ValueInfo) bool { return v.Name == f.outputName }) {
		a.OutputName, a.Heads, a.Task = f.outputName, nil, nil
		if f.task.answer != "" {
			a.Task = &f.task.answer
		}
	}
}

// locate opens the model that word names: a path, the name of a registered model,
// or a task. It completes the contract with the flags, with the answers that the
// model was registered with, and with the files next to it.
func (f *contractFlags) locate(cmd *cobra.Command, word, labels string) (*models.Model, error) {
	answers, err := f.answers(cmd)
	if err != nil {
		return nil, err
	}
	return f.openModel(word, labels, answers)
}

// openModel is locate with the answers that the flags give.
func (f *contractFlags) openModel(word, labels string, answers models.Answers) (*models.Model, error) {
	if err := localOnly("the model", word); err != nil {
		return nil, fmt.Errorf("%w; copy the file to this machine first", err)
	}
	var o models.OpenOptions
	if path, _, err := library.Find(f.dir, word); err == nil {
		f.wholeName(path, &answers)
	}
	answers.LabelsPath = labels
	o.Given = append(o.Given, models.Given{From: "flags", Answers: answers})
	m, err := library.Open(f.dir, word, o)
	if errors.Is(err, fs.ErrNotExist) && !errors.Is(err, models.ErrModel) {
		here, _ := os.Getwd()
		err = fmt.Errorf("%w; name an ONNX file as it is seen from %s, or a registered model", err, here)
	}
	if _, _, unknown := library.Find(f.dir, word); errors.Is(unknown, models.ErrModel) {
		folder, _ := modelsDir(f.dir)
		err = fmt.Errorf("%w%s", err, didYouMean(word, append(library.Names(folder), library.Tasks()...)))
	}
	if err != nil {
		return nil, config(err)
	}
	if err := checkTask(m.Path, &m.Contract); err != nil {
		return nil, err
	}
	return m, nil
}

// checkTask returns an error if there is no task that makes rows of what a model
// with this contract gives.
func checkTask(path string, c *models.Contract) error {
	if _, err := row.ForContract(c); err != nil {
		return config(fmt.Errorf("%s: %w", path, err))
	}
	return nil
}
