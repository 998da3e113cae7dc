package main

import (
	"strconv"

	"github.com/spf13/cobra"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/convert"
)

func newModelsCut() *cobra.Command {
	var file string
	var f contractFlags
	cmd := &cobra.Command{
		Use:   "cut IN.onnx [TENSOR] -o OUT.onnx",
		Short: "Make a model of vectors from a classifier, without its last layers",
		Long: `cut writes the part of a model that computes one of its tensors, by default the one after
the pooling: what a classifier knows of an image before its last layers choose a class.
'batchscore models inspect' names it. The result takes the same pixels, and a run with it
gives each image a vector (task embed), for 'batchscore similar' and for vector databases.

The tensor must have one row of numbers for each image. Golden images are left out, since
their scores are those of the classes.`,
		Example: `  batchscore models cut inception.onnx -o features.onnx
  batchscore run --images photos --out vectors --model features.onnx --normalize`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) < 1 || len(args) > 2 {
				return usagef("want IN.onnx, and possibly the name of a tensor")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if file == "" {
				return usagef("-o is missing: the ONNX file to write")
			}
			before, err := f.locate(cmd, args[0], "")
			if err != nil {
				return err
			}
			tensor := ""
			if len(args) == 2 {
				tensor = args[1]
				if tensor == "" {
					return usagef("the name of the tensor is empty; leave it out to take the one after the pooling")
				}
			}
			c, tensor, err := convert.Cut(before.Path, file, tensor, models.OpenOptions{Contract: &before.Contract})
			if err != nil {
				return config(err)
			}
			_, err = printf(cmd.OutOrStdout(), "%s: %s, %dx%d pixels, a vector of %d numbers for each image: the tensor %s\n",
				file, c.Name, c.Preprocess.Width, c.Preprocess.Height, c.Classes, strconv.Quote(tensor))
			return err
		},
	}
	cmd.Flags().StringVarP(&file, "onnx", "o", "", "write the ONNX model to `FILE` (required)")
	groupFlags(cmd, "Model flags", func() { f.register(cmd) })
	limitMemory(cmd)
	return cmd
}
