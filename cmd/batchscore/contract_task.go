package main

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/batchscore/batchscore/models"
)

// taskFlags say what is made of a model's numbers.
type taskFlags struct {
	answer, thresholds, element, columns, detector string
	threshold, overlap                             float32
	normalize                                      bool
	maxBoxes                                       int
}

func (f *taskFlags) register(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.StringVar(&f.answer, "answer", "", "make a row's answer of this `KIND`: classify (the best class, the default),"+
		" multi_label (all labels above a threshold), embed (a vector), raw (named numbers) or detect (boxes)")
	fs.Float32Var(&f.threshold, "threshold", models.DefaultThreshold,
		"multi_label, detect: labels apply and boxes count from this `SCORE` on, 0 to 1; 0.25 for boxes without it")
	fs.StringVar(&f.thresholds, "thresholds", "",
		"multi_label: read the thresholds of single labels from `FILE`: JSON or YAML {LABEL: SCORE}, or a table of both")
	fs.BoolVar(&f.normalize, "normalize", false, "embed: scale vectors to a length of 1")
	fs.StringVar(&f.element, "element", string(models.ElementFloat32),
		"embed: keep the numbers of vectors as `TYPE`: float32, float16 or int8 (with a scale for each)")
	fs.StringVar(&f.columns, "columns", "", "raw: call the numbers `NAMES`, with commas between them (default the labels, else value_0, value_1, ...)")
	fs.StringVar(&f.detector, "detector", "", "detect: the model's boxes are arranged as those of `KIND`: "+strings.Join(models.Detectors(), ", "))
	fs.Float32Var(&f.overlap, "overlap", models.DefaultOverlap,
		"detect: leave out a box that overlaps a better one of its class by more than `SHARE` of both together;"+
			" with run --tile, the part of a tile's side that the next tile shares, 0 to 0.9 (default 0)")
	fs.IntVar(&f.maxBoxes, "max-boxes", models.DefaultMaxBoxes, "detect: keep the `N` best boxes of an image")
}

// choices returns the flags that take one of a few words.
func (f *taskFlags) choices() []choice {
	return []choice{
		{flag: "answer", value: f.answer, words: models.Tasks()},
		{flag: "element", value: f.element, words: models.Elements()},
		{flag: "detector", value: f.detector, words: models.Detectors()},
	}
}

// answers adds what the flags say about the model.
func (f *taskFlags) answers(set func(flag string) bool, a *models.Answers) error {
	if set("answer") {
		a.Task = &f.answer
	}
	for _, n := range []struct {
		flag  string
		value *float32
		to    **float32
	}{{"threshold", &f.threshold, &a.Threshold}, {"overlap", &f.overlap, &a.Overlap}} {
		if !set(n.flag) || n.flag == "overlap" && set("tile") { // then it is that of tiles
			continue
		}
		if !(*n.value >= 0 && *n.value <= 1) {
			return invalid(n.flag, *n.value, "a number from 0 to 1")
		}
		*n.to = n.value
	}
	if set("thresholds") {
		t, err := models.ReadThresholds(f.thresholds)
		if err != nil {
			return config(err)
		}
		a.Thresholds = t
	}
	if set("normalize") {
		a.Normalize = &f.normalize
	}
	if set("element") {
		v := models.Element(f.element)
		a.Element = &v
	}
	if set("columns") {
		for name := range strings.SplitSeq(f.columns, ",") {
			a.Columns = append(a.Columns, strings.TrimSpace(name))
		}
	}
	if set("detector") {
		v := models.Detector(f.detector)
		a.Detector = &v
	}
	if set("max-boxes") {
		if f.maxBoxes < 1 {
			return invalid("max-boxes", f.maxBoxes, "a number of boxes above zero")
		}
		a.MaxBoxes = &f.maxBoxes
	}
	return nil
}
