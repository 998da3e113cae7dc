package main

import (
	"errors"
	"fmt"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/ort"
)

func newModelsCheck() *cobra.Command {
	var f contractFlags
	var provider string
	var batch int
	cmd := &cobra.Command{
		Use:   "check FILE.onnx|NAME",
		Short: "Score the golden images in a model and compare the scores with those in it",
		Long: `check opens a model as run does, scores the golden images in it, and prints the largest
difference from the scores in the model, relative to the largest score of the row. If
it exceeds the tolerance, check exits with code 78, as run does: the preprocessing,
the library or the weights differ from those the model was made with.`,
		Example: "  batchscore models check model.onnx",
		Args:    oneArg("FILE"),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if err := realProvider(provider); err != nil {
				return err
			}
			m, err := f.locate(cmd, args[0], "")
			if err != nil {
				return err
			}
			if m.Golden == nil {
				return config(fmt.Errorf("%w: %s has no golden images; add some with \"batchscore models golden\"", models.ErrModel, m.Path))
			}
			e, err := ort.Open(m, ort.Options{Provider: provider, Lanes: 1, Batch: batch, Logger: zerolog.Nop()})
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, e.Close()) }()
			if err := checkRows(cmd.Context(), e, m, e.DefaultBatch()); err != nil {
				return err
			}
			v, err := judgeGolden(cmd.Context(), e, m, e.DefaultBatch(), onCPU())
			if err != nil {
				return err
			}
			_, err = printf(cmd.OutOrStdout(), "%s: %d golden images agree on %s; largest difference %.2g (%s), tolerance %.2g\n",
				m.Path, v.Images, e.Device(), v.Largest, v.Worst, v.Tolerance)
			return err
		},
	}
	cmd.Flags().StringVar(&provider, "provider", ort.Auto, "compute on `DEVICE`: auto, cpu, cpu-direct or cuda")
	chooseOne(cmd, "provider", providers)
	cmd.Flags().IntVar(&batch, "batch", 0, "score `N` images at a time: 1 for a model that takes one (default what suits the device)")
	groupFlags(cmd, "Model flags", func() { f.register(cmd) })
	limitMemory(cmd)
	return cmd
}

func newModelsGolden() *cobra.Command {
	var f contractFlags
	var images, file, provider, labels string
	var tolerance float64
	var batch int
	cmd := &cobra.Command{
		Use:   "golden FILE.onnx|NAME --images DIR -o FILE.onnx",
		Short: "Put images and their scores into a model, to be checked before every run",
		Long: fmt.Sprintf(`golden scores the first images of a folder, at most %d images and %d MB, and writes a
model that contains them, their scores and the contract they were scored with. check,
and every run before it starts, scores them again and stops if the scores differ. Run
golden where the model is known to be right.`, models.MaxGoldenImages, models.MaxGoldenBytes>>20),
		Example: `  batchscore models golden model.onnx --images samples -o model.onnx`,
		Args:    oneArg("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case images == "":
				return usagef("--images is missing: a folder of images to put into the model")
			case file == "":
				return usagef("-o is missing: the ONNX file to write")
			case cmd.Flags().Changed("tolerance") && (tolerance <= 0 || tolerance >= 1):
				return invalid("tolerance", tolerance, "a number between 0 and 1")
			}
			if err := errors.Join(realProvider(provider), localOnly("--images", images)); err != nil {
				return err
			}
			m, err := f.locate(cmd, args[0], labels)
			if err != nil {
				return err
			}
			return addGolden(cmd, m, goldenOptions{images: images, file: file, provider: provider, tolerance: tolerance, batch: batch})
		},
	}
	fs := cmd.Flags()
	fs.StringVar(&images, "images", "", "take the images in `FOLDER` (required)")
	fs.StringVarP(&file, "onnx", "o", "", "write the ONNX model to `FILE`, which may be the one that is read (required)")
	fs.StringVar(&labels, "labels", "", "read the names of the classes from `FILE`, as for batchscore run")
	fs.Float64Var(&tolerance, "tolerance", 0,
		"accept scores that differ by at most `PART` of the row's largest score (default depending on the model's precision)")
	fs.StringVar(&provider, "provider", ort.Auto, "compute on `DEVICE`: auto, cpu, cpu-direct or cuda")
	chooseOne(cmd, "provider", providers)
	fs.IntVar(&batch, "batch", 0, "score `N` images at a time: 1 for a model that takes one (default what suits the device)")
	groupFlags(cmd, "Model flags", func() { f.register(cmd) })
	limitMemory(cmd)
	return cmd
}
