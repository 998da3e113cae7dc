package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/batchscore/batchscore/bench/gpucheck"
	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/device"
	"github.com/batchscore/batchscore/models/networks"
	"github.com/batchscore/batchscore/models/ort"
	"github.com/batchscore/batchscore/scorer/telemetry/columns"
)

// gpuCheckFlags are the flags of gpu-check.
type gpuCheckFlags struct {
	model       contractFlags
	file        string
	images, out string
	only        []string
	speed       []string
	least       time.Duration
	budget      time.Duration
}

func newGPUCheck() *cobra.Command {
	var f gpuCheckFlags
	cmd := &cobra.Command{
		Use:   "gpu-check",
		Short: "Check on a machine with GPUs what is claimed of them, and write a report",
		Long: `gpu-check checks in ten minutes that the GPUs of this machine give the scores of the
CPU, the same bytes every time, and the speed that they should, also when a run is
disturbed. It starts batchscore itself for that. It writes the folder gpu-report with
report.md, report.json, charts, samples for "bench compare", and the output of every
command under logs/.

Each claim ends as pass, FAIL or not measured. The exit code is 1 if one fails.`,
		Example: `  batchscore gpu-check --images photos --model moderation.onnx
  batchscore gpu-check --only correctness,bits --time 3m
  make gpu-check      # in the source tree: with a model and images that it fetches`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o, err := f.options(cmd)
			if err != nil {
				return err
			}
			return f.check(cmd, o)
		},
	}
	fs := cmd.Flags()
	fs.StringVar(&f.images, "images", "", "check with the photographs in `FOLDER` (default the sample images in the folder that BATCHSCORE_CACHE names)")
	fs.StringVar(&f.file, "model", "",
		"check with `MODEL`: an ONNX file that classifies, or the name of a registered model (default the demo's, in the same folder)")
	fs.StringVar(&f.out, "out", "gpu-report", "write the report to `FOLDER`, which must not exist")
	fs.StringSliceVar(&f.only, "only", nil, "check only these `SUBJECTS`: "+strings.Join(gpucheck.Subjects, ", "))
	chooseSome(cmd, "only", gpucheck.Subjects)
	fs.DurationVar(&f.budget, "time", 10*time.Minute, "take `DURATION` at most; what does not fit is listed as not measured")
	fs.StringSliceVar(&f.speed, "speed", asWords(measured),
		"measure the speed of these `MODELS`: "+orList(asWords(measured))+" with random weights, or ONNX files")
	chooseSome(cmd, "speed", asWords(measured))
	fs.DurationVar(&f.least, "least", 700*time.Millisecond, "measure each point of the sweep of speeds for `DURATION` or longer")
	cmd.AddCommand(newGPUMeasure())
	return cmd
}

// measured are the networks whose speed is measured unless others are asked for.
var measured = []networks.Network{networks.VGG16, networks.InceptionV3}

// newGPUMeasure returns the hidden command that gpu-check starts to measure a device.
func newGPUMeasure() *cobra.Command {
	return &cobra.Command{
		Use: "measure PLAN", Hidden: true, Args: oneArg("PLAN"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return gpucheck.Measure(cmd.Context(), args[0], cmd.OutOrStdout(), ort.Options{Logger: warningLog(cmd.ErrOrStderr())})
		},
	}
}

// options returns what to check. An error names everything that is missing, before time
// is spent.
func (f *gpuCheckFlags) options(cmd *cobra.Command) (o gpucheck.Options, err error) {
	if f.budget <= 0 {
		return o, invalid("time", f.budget, "a time above zero")
	}
	if f.least <= 0 {
		return o, invalid("least", f.least, "a time above zero")
	}
	var missing []string
	for _, model := range f.speed {
		if slices.Contains(measured, networks.Network(model)) {
			continue
		}
		if _, err := f.model.openModel(model, "", models.Answers{}); err != nil {
			missing = append(missing, fmt.Sprintf("--speed: %v", err))
		}
	}
	for _, subject := range f.only {
		if err := oneOf("only", subject, gpucheck.Subjects); err != nil {
			return o, err
		}
	}
	if err := errors.Join(localOnly("--images", f.images), localOnly("--out", f.out)); err != nil {
		return o, err
	}
	if _, err := os.Lstat(f.out); !errors.Is(err, fs.ErrNotExist) {
		return o, config(fmt.Errorf("--out %s exists already: move it away, or give another folder", f.out))
	}
	cache := os.Getenv("BATCHSCORE_CACHE")
	fetched := func(name string) string {
		if cache == "" {
			return ""
		}
		return filepath.Join(cache, name)
	}
	o = gpucheck.Options{Out: f.out, Images: f.images, Model: f.file, Speed: f.speed, Least: f.least, Budget: f.budget, Only: f.only}
	if o.Images == "" {
		o.Images = fetched("images")
	}
	if o.Model == "" {
		o.Model = fetched("models/classification.onnx")
	}
	const make = `; "make gpu-check" in the source tree fetches what is needed`
	if text := device.GPUs().Missing(); text != "" {
		missing = append(missing, text)
	}
	if library, err := ort.FindLibrary("", ort.CUDA); err != nil {
		missing = append(missing, err.Error())
	} else if text := ort.Lacks(library); text != "" {
		missing = append(missing, text)
	}
	if info, err := os.Stat(o.Images); o.Images == "" || err != nil || !info.IsDir() {
		missing = append(missing, fmt.Sprintf("no folder of images %q: give --images FOLDER", o.Images))
	} else if err := gpucheck.CheckImages(o.Images); err != nil {
		missing = append(missing, fmt.Sprintf("--images: %v", err))
	}
	if o.Model == "" {
		missing = append(missing, "no model: give --model FILE")
	} else if m, err := f.model.openModel(o.Model, "", models.Answers{}); err != nil {
		missing = append(missing, err.Error())
	} else {
		o.ModelFile, o.Contract = m.Path, m.Contract
	}
	if len(missing) > 0 {
		return o, config(errors.New("the check cannot begin: " + strings.Join(missing, "; ") + make))
	}
	if !o.Contract.Classifies() {
		return o, config(fmt.Errorf("--model %s does not classify: give a model that gives each image a class", o.Model))
	}
	if o.Program, err = os.Executable(); err != nil {
		return o, err
	}
	// Children have the same working folder, and the names of registered models stay.
	o.Provenance = provenance(0, map[string]string{"jpeg": jpegName(), "onnxruntime": ortVersion()})
	return o, nil
}

// errRed is the error of a check in which a claim does not hold.
var errRed = errors.New("a claim does not hold")

// check makes the checks, and prints the table.
func (f *gpuCheckFlags) check(cmd *cobra.Command, o gpucheck.Options) error {
	stdout, stderr := cmd.OutOrStdout(), cmd.ErrOrStderr()
	screen := gpucheck.Screen{Width: widthOf(stdout), Colour: isTerminal(stdout) && !noColor()}
	if isTerminal(stderr) {
		o.Begun = func(id string, n, of int) {
			fmt.Fprint(styled(stderr), "\r"+clearLine+columns.Cut(fmt.Sprintf("checking %s, %d of %d", id, n, of), widthOf(stderr)))
		}
	} else {
		o.Told = func(r gpucheck.Result) {
			if len(f.only) == 0 || slices.Contains(f.only, r.Subject) {
				printf(stderr, "checked %s: %s\n", r.ID(), r.Verdict) // the table at the end says more
			}
		}
	}
	// The report of an interrupted check is written all the same.
	r, err := gpucheck.Check(cmd.Context(), gpucheck.Claims(), o)
	if isTerminal(stderr) {
		fmt.Fprint(styled(stderr), "\r"+clearLine)
	}
	if err != nil {
		return config(err)
	}
	if err := r.Write(styled(stdout), screen); err != nil {
		return err
	}
	fmt.Fprintln(stdout, strings.Join(columns.Fit("The report: "+filepath.Join(o.Out, gpucheck.MarkdownFile), screen.Width), "\n"))
	switch {
	case r.Interrupted:
		return context.Canceled
	case r.Count(gpucheck.Fail) > 0:
		return fmt.Errorf("%w: %s; see %s", errRed, r.Summary(), filepath.Join(o.Out, gpucheck.MarkdownFile))
	}
	return nil
}
