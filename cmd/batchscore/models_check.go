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
		Short: "Score the golden images in a model and compare with what they should give",
		Long: `check opens a model as a run would, scores the golden images that travel in it, and
prints the largest difference from the scores that travel with them: the largest
distance of two scores in a row, as a part of the row's largest score. Beyond the
tolerance it exits with 78, as run does: the preprocessing, the library or the
weights are not those that the model was made with.`,
		Args: oneArg("FILE"),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			m, err := f.locate(cmd, args[0], "")
			if err != nil {
				return err
			}
			if m.Golden == nil {
				return config(fmt.Errorf("%w: %s carries no golden images; add some with \"batchscore models golden\"", models.ErrModel, m.Path))
			}
			e, err := ort.Open(m, ort.Options{Provider: provider, Lanes: 1, Batch: batch, Logger: zerolog.Nop()})
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, e.Close()) }()
			if err := checkRows(cmd.Context(), e, m, e.DefaultBatch()); err != nil {
				return err
			}
			v, err := judgeGolden(cmd.Context(), e, m, e.DefaultBatch())
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: %d golden images agree on %s; largest difference %.2g (%s), tolerance %.2g\n",
				m.Path, v.Images, e.Device(), v.Largest, v.Worst, v.Tolerance)
			return err
		},
	}
	f.register(cmd)
	cmd.Flags().IntVar(&batch, "batch", 0, "1 for a model that takes one image at a time")
	cmd.Flags().StringVar(&provider, "provider", ort.Auto, "auto, cpu, cpu-direct, cuda or tensorrt")
	return cmd
}

func newModelsGolden() *cobra.Command {
	var f contractFlags
	var images, file, provider string
	var tolerance float64
	var batch int
	cmd := &cobra.Command{
		Use:   "golden FILE.onnx|NAME --images DIR -o FILE.onnx",
		Short: "Put images and their scores into a model, to be checked before every run",
		Long: fmt.Sprintf(`golden scores the first images of a folder, at most %d and %d MB together, and writes
a model that carries them, their scores and the contract that they were scored by.
check, and every run before it begins, scores them again and refuses to go on where
the answers differ. Do it where the model is known to be right.`, models.MaxGoldenImages, models.MaxGoldenBytes>>20),
		Example: `  batchscore models golden model.onnx --images samples -o model.onnx`,
		Args:    oneArg("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case images == "":
				return usagef("--images is missing: a folder of images to take along")
			case file == "":
				return usagef("-o is missing: the ONNX file to write")
			case cmd.Flags().Changed("tolerance") && (tolerance <= 0 || tolerance >= 1):
				return usagef("--tolerance %v: it lies between 0 and 1", tolerance)
			}
			if err := localOnly("--images", images); err != nil {
				return err
			}
			m, err := f.locate(cmd, args[0], "")
			if err != nil {
				return err
			}
			return addGolden(cmd, m, goldenOptions{images: images, file: file, provider: provider, tolerance: tolerance, batch: batch})
		},
	}
	f.register(cmd)
	fs := cmd.Flags()
	fs.StringVar(&images, "images", "", "folder of images (required)")
	fs.StringVarP(&file, "onnx", "o", "", "ONNX file to write, which may be the one that is read (required)")
	fs.StringVar(&provider, "provider", ort.Auto, "auto, cpu, cpu-direct, cuda or tensorrt")
	fs.IntVar(&batch, "batch", 0, "1 for a model that takes one image at a time")
	fs.Float64Var(&tolerance, "tolerance", 0, "largest difference that is still the same; by default from the model's precision")
	return cmd
}
