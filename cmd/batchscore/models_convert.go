package main

import (
	"cmp"
	"errors"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/convert"
	"github.com/batchscore/batchscore/models/ort"
)

// calibrationImages is the most images from which scales are learnt. More of
// them hardly change the scales.
const calibrationImages = 512

func newModelsConvert() *cobra.Command {
	var precision, file, calibrate, check, golden string
	var f contractFlags
	var least float64
	cmd := &cobra.Command{
		Use:   "convert --precision fp16|int8 [--calibrate DIR] [--check DIR] IN.onnx -o OUT.onnx",
		Short: "Make a float16 or 8-bit model from a float32 one, and compare the two",
		Long: `convert makes a model of another precision. It prints for how many images of a folder
both models give the same first class, and the largest difference of a score.

  fp16  16-bit weights and activations, for GPUs. On a CPU it runs, but slower than
        float32. Operators that could overflow stay float32: the images in --calibrate
        (default those in --check) show which.
  int8  8-bit convolutions, for CPUs with VNNI. Other x86-64 CPUs give the same
        scores, but slower than float32. The scales are learnt from the images in
        --calibrate: some dozens to hundreds of the kind to be scored.

A model that agrees on less than 99% of the images in --check (default those in
--calibrate, which makes an int8 model look better than it is) is refused;
--accept-below sets another percentage.`,
		Example: `  batchscore models convert --precision int8 --calibrate photos --check others model.onnx -o model-int8.onnx
  batchscore models convert --precision fp16 --check photos model.onnx -o model-fp16.onnx`,
		Args: oneArg("IN.onnx"),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case file == "":
				return usagef("-o is missing: the ONNX file to write")
			case !slices.Contains(convert.Precisions, precision):
				return oneOf("precision", precision, convert.Precisions)
			case precision == convert.INT8 && calibrate == "":
				return usagef("--calibrate is missing: a folder of images to learn the scales from")
			case calibrate == "" && check == "":
				return usagef("--check is missing: a folder of images to compare the models on")
			case least < 0 || least > 100:
				return invalid("accept-below", least, "a percentage")
			}
			if err := errors.Join(localOnly("--calibrate", calibrate), localOnly("--check", check)); err != nil {
				return err
			}
			before, err := f.locate(cmd, args[0], "")
			if err != nil {
				return err
			}
			o := convert.Options{
				Precision: precision, Least: least, Model: models.OpenOptions{Contract: &before.Contract},
				Open: func(m *models.Model) (convert.Engine, error) {
					return ort.Open(m, ort.Options{Provider: ort.CPU})
				},
			}
			if o.Calibrate, err = convert.Images(cmp.Or(calibrate, check), calibrationImages); err != nil {
				return config(err)
			}
			if o.Check, err = convert.Images(cmp.Or(check, calibrate), 0); err != nil {
				return config(err)
			}
			c, agreement, err := convert.Convert(cmd.Context(), before.Path, file, o)
			if err != nil {
				return config(err)
			}
			after, err := os.Stat(file)
			if err != nil {
				return err
			}
			_, err = printf(cmd.OutOrStdout(), "%s: %s, %s, %d MB instead of %d MB\n%s on %s\n",
				file, c.Name, c.Precision, after.Size()/1e6, before.Size/1e6, agreement, cmp.Or(check, calibrate))
			if agreement.Skipped > 0 {
				printf(cmd.ErrOrStderr(), "%d files are not images that can be decoded\n", agreement.Skipped)
			}
			if err != nil {
				return err
			}
			return withGolden(cmd, file, golden)
		},
	}
	fs := cmd.Flags()
	fs.StringVar(&precision, "precision", "", "make a model of this `PRECISION`: fp16 or int8 (required)")
	fs.StringVarP(&file, "onnx", "o", "", "write the ONNX model to `FILE` (required)")
	fs.StringVar(&calibrate, "calibrate", "", "learn from the images in `FOLDER`; required for int8")
	fs.StringVar(&check, "check", "", "compare the models on the images in `FOLDER` (default that of --calibrate)")
	fs.Float64Var(&least, "accept-below", convert.GoodAgreement, "accept a model that agrees on `PERCENT` of the images or more")
	goldenFlag(cmd, &golden)
	chooseOne(cmd, "precision", convert.Precisions)
	groupFlags(cmd, "Model flags", func() { f.register(cmd) })
	limitMemory(cmd)
	return cmd
}
