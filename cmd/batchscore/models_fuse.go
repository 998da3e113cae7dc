package main

import (
	"github.com/spf13/cobra"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/convert"
)

func newModelsFuse() *cobra.Command {
	var file, golden string
	var f contractFlags
	cmd := &cobra.Command{
		Use:   "fuse IN.onnx -o OUT.onnx",
		Short: "Put the normalisation of pixels into a float model, so that it takes bytes",
		Long: `fuse puts the conversion, layout, channel order and normalisation of pixels in front of
a model that takes float32 pixels. The host then passes 8-bit pixels, a quarter of the
bytes, and the scores stay the same.

This is recommended for GPUs: a quarter of the data is copied to the GPU. To compute in
16 bits as well, give the result to 'batchscore models convert --precision fp16'.

Scores change only if the model's method of resizing keeps fractions, as TensorFlow's
does: pixels are then rounded to 8 bits after resizing.`,
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
			_, err = printf(cmd.OutOrStdout(), "%s: %s, %dx%d pixels, %d bytes per image instead of %d\n",
				file, c.Name, c.Preprocess.Width, c.Preprocess.Height, c.Preprocess.RowBytes(), before.Contract.Preprocess.RowBytes())
			if err != nil {
				return err
			}
			return withGolden(cmd, file, golden)
		},
	}
	cmd.Flags().StringVarP(&file, "onnx", "o", "", "write the ONNX model to `FILE` (required)")
	goldenFlag(cmd, &golden)
	groupFlags(cmd, "Model flags", func() { f.register(cmd) })
	limitMemory(cmd)
	return cmd
}
