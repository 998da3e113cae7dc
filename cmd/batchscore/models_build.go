package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/networks"
	"github.com/batchscore/batchscore/models/weights"
	"github.com/batchscore/batchscore/scorer/telemetry/printable"
)

// rawActivations are the values of --activation for networks whose last layer is
// linear.
var rawActivations = []string{string(models.Logits), string(models.Sigmoid)}

// randomWeights is the value of --weights for random numbers instead of a file.
const randomWeights = "random"

func newModelsBuild() *cobra.Command {
	var file, from, golden, labels, variant string
	var transform, force bool
	var activation string
	var o networks.Options
	var wo weights.Options
	cmd := &cobra.Command{
		Use:   "build NETWORK --variant SOURCE --weights FILE|random -o FILE.onnx",
		Short: "Build a network such as ResNet-50 or ViT from published weights",
		Long: `build writes a network as ONNX with published weights and its contract: input size,
preprocessing, labels, and where the weights come from. No Python takes part.

` + networkTable() + `
It reads weights from safetensors or a checkpoint of PyTorch (.pth, of which nothing is
executed), from NumPy's .npz or from a TensorFlow.js layers model. The weights determine
the number of classes. "--weights random" makes a model of random numbers, the same ones
for the same --seed, to measure speed.

The variant says where the weights were published, which decides how images are prepared
and details of the network: torchvision, keras, timm, transformers (of Hugging Face), or tf,
which are weights that were trained in TensorFlow, such as timm's models whose names
begin with tf_, and those of efficientnet_pytorch.`,
		Example: `  batchscore models build vgg16 --variant torchvision --weights vgg16.safetensors --labels imagenet -o vgg16.onnx
  batchscore models build resnet50 --variant torchvision --weights resnet50-0676ba61.pth --labels imagenet -o resnet50.onnx
  batchscore models build inception_v3 --variant keras --weights random --classes 5 -o speed.onnx`,
		Args: oneArg("NETWORK"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Network, o.Variant = networks.Network(args[0]), networks.Variant(variant)
			switch {
			case !slices.Contains(networks.Networks, o.Network):
				return usagef("unknown network %q: want %s%s", args[0], orList(asWords(networks.Networks)), didYouMean(args[0], asWords(networks.Networks)))
			case !slices.Contains(networks.VariantsOf(o.Network), o.Variant):
				known := asWords(networks.VariantsOf(o.Network))
				return invalid("variant", variant, "where the weights of "+args[0]+" were published: "+orList(known)+didYouMean(variant, known))
			case from == "":
				return usagef("--weights is missing: a file of weights, or random")
			case cmd.Flags().Changed("seed") && from != randomWeights:
				return usagef("--seed needs --weights random")
			case cmd.Flags().Changed("classes") && o.Classes < 1:
				return invalid("classes", o.Classes, "a number of classes above zero")
			case cmd.Flags().Changed("resize-to") && o.ResizeTo < 1:
				return invalid("resize-to", o.ResizeTo, "a number of pixels above zero")
			case cmd.Flags().Changed("transform-input") && !o.HasTransformInput():
				return usagef("--transform-input is for inception_v3 of torchvision")
			case o.HasTransformInput() && from != randomWeights && !cmd.Flags().Changed("transform-input"):
				return usagef("--transform-input=true or --transform-input=false? The weights do not show whether Inception V3 was trained with it:" +
					" true for those that torchvision publishes and for fine-tunes of them," +
					" false for a network created with transform_input=False or weights=None")
			case file == "":
				return usagef("-o is missing: the ONNX file to write")
			}
			o.Activation = models.Activation(activation)
			if cmd.Flags().Changed("transform-input") {
				o.TransformInput = &transform
			}
			if labels != "" {
				var err error
				if o.Labels, err = models.ReadLabels(labels); err != nil {
					return err
				}
				if from == randomWeights && o.Classes == 0 {
					o.Classes = len(o.Labels)
				}
			}
			if from != randomWeights {
				source, err := weights.Open(cmd.Context(), from, wo)
				if err != nil {
					return config(err)
				}
				defer source.Close()
				o.Weights, o.Source = source, filepath.Base(from)
			}
			replace := consent{given: force, ask: asker(cmd.InOrStdin(), cmd.ErrOrStderr())}
			if _, err := os.Lstat(file); err == nil {
				if err := replace.to(file+" exists already", "Replace it?", "give another name, or add --force to replace it"); err != nil {
					return err
				}
			}
			c, err := networks.BuildFile(cmd.Context(), file, o)
			if err != nil {
				return err
			}
			m, err := models.Open(file, models.OpenOptions{})
			if err != nil {
				return err
			}
			printf(cmd.OutOrStdout(), "%s: %s, %dx%d pixels, %d classes, %d MB\n",
				file, c.Name, c.Preprocess.Width, c.Preprocess.Height, c.Classes, m.Size/1e6)
			fmt.Fprint(cmd.OutOrStdout(), weightFiles(m))
			if c.TransformInput != nil {
				printf(cmd.OutOrStdout(), "%s: transform_input is %v\n", file, *c.TransformInput)
			}
			return withGolden(cmd, file, golden)
		},
	}
	fs := cmd.Flags()
	fs.StringVar(&variant, "variant", "", "the weights were published by `SOURCE`: "+orList(asWords(networks.Variants))+" (required)")
	fs.IntVar(&o.ResizeTo, "resize-to", 0, "resize the shortest side of an image to `PIXELS` before the crop"+
		" (default what the published weights were tested with; required where they differ in it)")
	fs.StringVar(&from, "weights", "", "read the weights from `FILE`, or make them random (required)")
	fs.StringVar(&wo.Path, "path", "", "take the model in `FOLDER` of a TensorFlow.js archive that holds several")
	fs.Uint64Var(&o.Seed, "seed", 0, "make the random weights from this `SEED`")
	fs.IntVar(&o.Classes, "classes", 0, fmt.Sprintf("give the network `N` classes (default those of the weights, %d for random ones)", networks.ImageNetClasses))
	fs.BoolVar(&o.Logits, "logits", false, "for keras: no softmax follows the last layer")
	fs.StringVar(&activation, "activation", "", "if no softmax comes last, the scores are of this `KIND`: logits (one class per image, the default)"+
		" or sigmoid (independent classes, or one output)")
	fs.BoolVar(&transform, "transform-input", false, "for inception_v3 of torchvision, required: whether the network itself converts pixels from ImageNet's"+
		" normalisation to -1..1 (transform_input of torchvision)")
	fs.StringVar(&labels, "labels", "", "read the names of the classes from `FILE`: one per line, JSON, YAML, a numbered list, or a table"+
		" with a header; or imagenet")
	fs.StringVar(&o.Name, "name", "", "call the model `NAME` (default network and variant)")
	fs.StringVarP(&file, "output", "o", "", "write the ONNX model to `FILE` (required)")
	fs.BoolVar(&force, "force", false, "replace the file if it exists")
	goldenFlag(cmd, &golden)
	completeFlag(cmd, "weights", cobra.FixedCompletions([]string{randomWeights}, cobra.ShellCompDirectiveDefault))
	chooseOne(cmd, "variant", asWords(networks.Variants))
	chooseOne(cmd, "activation", rawActivations)
	limitMemory(cmd)
	return cmd
}

// networkTable lists the networks with their variants, one a line.
func networkTable() string {
	var b strings.Builder
	for _, n := range networks.Networks {
		fmt.Fprintf(&b, "  %-20s%s\n", n, strings.Join(asWords(networks.VariantsOf(n)), ", "))
	}
	return b.String()
}

// weightFiles returns a line that names the files of a model whose weights are in a
// file of their own; empty for a model of one file.
func weightFiles(m *models.Model) string {
	if !m.External {
		return ""
	}
	text := printable.Line(m.Path)
	if info, err := os.Stat(m.Path); err == nil {
		text += " (" + formatBytes(info.Size()) + ")"
	}
	for _, name := range m.WeightFiles {
		text += " and " + printable.Line(filepath.Join(filepath.Dir(m.Path), name))
		if info, err := os.Stat(filepath.Join(filepath.Dir(m.Path), name)); err == nil {
			text += " (" + formatBytes(info.Size()) + ")"
		}
	}
	return "the model is in " + text + ": keep them in one folder\n"
}

// warnOfRandomWeights returns a warning if the scores of a model mean nothing, else
// "".
func warnOfRandomWeights(c *models.Contract) string {
	if !networks.Random(c) {
		return ""
	}
	return fmt.Sprintf("the model has random weights (%s): its scores mean nothing", strings.TrimSpace(c.Source))
}
