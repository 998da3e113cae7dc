package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/convert"
)

func newModelsFuse() *cobra.Command {
	var file, golden string
	var f contractFlags
	cmd := &cobra.Command{
		Use:   "fuse IN.onnx -o OUT.onnx",
		Short: "Put the normalisation of pixels into a float model, which then takes bytes",
		Long: `fuse puts cast, layout, channel order and normalisation in front of a model of
float32 pixels. The host then hands over 8-bit pixels, a quarter of the bytes, and
the scores are the same.

Only where the model's resize policy keeps fractions (TensorFlow's) do scores
change: pixels are rounded to 8 bits after the resize.`,
		Example: `  batchscore models fuse inception.onnx -o inception-u8.onnx`,
		Args:    oneArg("IN.onnx"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if file == "" {
				return usagef("-o is missing: the ONNX file to write")
			}
			before, err := f.locate(cmd, args[0], "")
			if err != nil {
				return err
			}
			c, err := convert.Fuse(before.Path, file, models.OpenOptions{Contract: &before.Contract})
			if err != nil {
				return config(err)
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: %s, %dx%d pixels, %d bytes an image in place of %d\n",
				file, c.Name, c.Preprocess.Width, c.Preprocess.Height, c.Preprocess.RowBytes(), before.Contract.Preprocess.RowBytes())
			if err != nil {
				return err
			}
			return withGolden(cmd, file, golden)
		},
	}
	f.register(cmd)
	cmd.Flags().StringVarP(&file, "onnx", "o", "", "ONNX file to write (required)")
	goldenFlag(cmd, &golden)
	return cmd
}
