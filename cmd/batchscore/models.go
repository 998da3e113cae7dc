package main

import (
	"os"

	"github.com/spf13/cobra"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/tfjs"
)

func newModels() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "models",
		Short: "Make, register, inspect and check models",
		Long: `models makes ONNX models from published weights and from models of other tools,
registers models under names, shows what a model holds, and checks that it still gives
the scores it should.`,
		Args: subcommandOnly,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	groupCommands(cmd, "Make", newModelsBuild(), newModelsImport(), newModelsConvert(), newModelsFuse(), newModelsCut())
	groupCommands(cmd, "Register", newModelsAdd(), newModelsList(), newModelsRemove())
	groupCommands(cmd, "Inspect and check", newModelsInspect(), newModelsGolden(), newModelsCheck())
	return cmd
}

func newModelsImport() *cobra.Command {
	var file, labels, golden, activation string
	var o tfjs.Options
	cmd := &cobra.Command{
		Use:   "import SOURCE -o FILE.onnx",
		Short: "Make an ONNX model from a TensorFlow.js model",
		Long: `import reads a classifier of TensorFlow.js, a layers model or a graph model (topology
and quantised weights), from a folder, an unpacked npm package or a .tgz of one. It writes
an ONNX model with its contract: input size, preprocessing and labels. Nothing of the
source is unpacked to disk. A model is trusted like a program: import only from people whose programs you
would run.`,
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
			_, err = printf(cmd.OutOrStdout(), "%s: %s, %dx%d pixels, %d classes, %d MB\n",
				file, c.Name, c.Preprocess.Width, c.Preprocess.Height, c.Classes, info.Size()/1e6)
			if err != nil {
				return err
			}
			return withGolden(cmd, file, golden)
		},
	}
	fs := cmd.Flags()
	fs.StringVarP(&file, "output", "o", "", "write the ONNX model to `FILE` (required)")
	fs.StringVar(&labels, "labels", "",
		"read the names of the classes from `FILE`: one per line, JSON, YAML, a numbered list, or a table with a header (default those of the source, if it has any)")
	fs.StringVar(&activation, "activation", "", "if neither softmax nor sigmoid comes last, the scores are of this `KIND`: logits (one class per image, the"+
		" default) or sigmoid (independent classes, or one output)")
	fs.StringVar(&o.Path, "path", "", "take the model in `FOLDER` of the source, if it holds several")
	fs.StringVar(&o.Name, "name", "", "call the model `NAME` (default that of its folder)")
	goldenFlag(cmd, &golden)
	chooseOne(cmd, "activation", rawActivations)
	limitMemory(cmd)
	return cmd
}
