package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/tfjs"
)

func newModels() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "models",
		Short: "Make, register, inspect and check models",
		Args:  noArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newModelsBuild(), newModelsImport(), newModelsAdd(), newModelsRemove(), newModelsList(), newModelsInspect(), newModelsCheck(), newModelsGolden(), newModelsFuse(), newModelsConvert())
	return cmd
}

func newModelsImport() *cobra.Command {
	var file, labels, golden, activation string
	var o tfjs.Options
	cmd := &cobra.Command{
		Use:   "import SOURCE -o FILE.onnx",
		Short: "Make an ONNX model from one in the TensorFlow.js layers format",
		Long: `import reads a TensorFlow.js layers model (topology and quantised weights) from a
folder, from an unpacked npm package or from the .tgz of one, and writes ONNX with
the model's contract in it: input size, preprocessing and labels.`,
		Example: `  npm pack nsfwjs@4.4.0
  batchscore models import nsfwjs-4.4.0.tgz --path dist/models/inception_v3 -o moderation.onnx`,
		Args: oneArg("SOURCE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if file == "" {
				return usagef("-o is missing: the ONNX file to write")
			}
			o.Activation = models.Activation(activation)
			if labels != "" {
				var err error
				if o.Labels, err = models.ReadLabels(labels); err != nil {
					return err
				}
			}
			c, err := tfjs.ImportFile(cmd.Context(), args[0], file, o)
			if err != nil {
				return err
			}
			info, err := os.Stat(file)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: %s, %dx%d pixels, %d classes, %d MB\n",
				file, c.Name, c.Preprocess.Width, c.Preprocess.Height, c.Classes, info.Size()/1e6)
			if err != nil {
				return err
			}
			return withGolden(cmd, file, golden)
		},
	}
	fs := cmd.Flags()
	fs.StringVarP(&file, "output", "o", "", "ONNX file to write (required)")
	fs.StringVar(&labels, "labels", "", "file of labels: one a line, JSON, YAML, a numbered list or a table with a header; by default those of the source, where it has any")
	fs.StringVar(&activation, "activation", "", "where neither softmax nor sigmoid comes last: logits (one class an image, the default) or sigmoid (independent classes, or one output)")
	fs.StringVar(&o.Path, "path", "", "the model's folder inside the source, where it holds several")
	fs.StringVar(&o.Name, "name", "", "name of the model; by default that of its folder")
	goldenFlag(cmd, &golden)
	return cmd
}
