package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/library"
	"github.com/batchscore/batchscore/models/preprocess"
	"github.com/batchscore/batchscore/scorer/row"
)

func newModelsInspect() *cobra.Command {
	var f contractFlags
	var asJSON bool
	var labels string
	cmd := &cobra.Command{
		Use:   "inspect FILE.onnx|NAME",
		Short: "Show what a model holds: inputs, outputs, contract, operators, parameters, work",
		Long: `inspect reads a model without its weights. It shows inputs and outputs, the contract
that a run would use or what is missing from it, operators, learned parameters by
precision, and the multiply-adds of convolutions and matrix products for one image
("unknown" if a size cannot be determined). It computes nothing, so it is safe for a
model that you do not trust, which run, check and golden are not.`,
		Example: "  batchscore models inspect model.onnx",
		Args:    oneArg("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			answers, err := f.answers(cmd)
			if err != nil {
				return err
			}
			answers.LabelsPath = labels
			path, entry, err := library.Find(f.dir, args[0])
			if err != nil {
				return config(err)
			}
			o := models.OpenOptions{Given: []models.Given{{From: "flags", Answers: answers}}}
			if entry != nil {
				o.Given = append(o.Given, entry.Given())
			}
			in, err := models.Inspect(path, o)
			if err != nil {
				return config(err)
			}
			if in.Contract != nil {
				if _, err := row.ForContract(in.Contract); err != nil {
					in.Contract, in.Refused = nil, err.Error()
				}
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), in)
			}
			return printInspection(cmd.OutOrStdout(), in)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().StringVar(&labels, "labels", "", "read the names of the classes from `FILE`, as run does")
	groupFlags(cmd, "Model flags", func() { f.register(cmd) })
	return cmd
}

func printInspection(out io.Writer, in *models.Inspection) error {
	w := newTable(out)
	printf(w, "file\t%s\n", in.Path)
	printf(w, "size\t%.1f MB\n", float64(in.Size)/1e6)
	printf(w, "digest\t%s\n", in.Digest)
	printf(w, "operator set\t%d\n", in.Opset)
	for _, p := range in.Inputs {
		printf(w, "input\t%s %s %s\n", p.Name, p.Type, axes(p))
	}
	for _, p := range in.Outputs {
		printf(w, "output\t%s %s %s\n", p.Name, p.Type, axes(p))
	}
	if in.Ending != "" {
		printf(w, "scores\tthe graph %s\n", in.Ending)
	}
	printf(w, "operators\t%s\n", counted(in.Operators))
	printf(w, "parameters\t%s%s\n", grouped(in.Parameters), precisions(in))
	work := "unknown: the sizes of " + counted(in.Unknown)
	if in.MultiplyAdds != nil {
		work = fmt.Sprintf("%s per image (%.2f G)", grouped(*in.MultiplyAdds), float64(*in.MultiplyAdds)/1e9)
	}
	printf(w, "multiply-adds\t%s\n", work)
	printf(w, "golden images\t%d\n", in.GoldenImages)
	if c := in.Contract; c != nil {
		printContract(w, c)
	} else {
		fmt.Fprintln(w, "contract\tunknown; see below")
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, c := range in.Conflicts {
		printf(out, "note: %s\n", c)
	}
	for _, d := range in.Dependences {
		printf(out, "note: %s\n", d)
	}
	if in.Refused != "" {
		printf(out, "\nA run would refuse this model:\n%s: %s\n", in.Path, in.Refused)
	}
	return nil
}

// outputOf says what a model gives for an image.
func outputOf(c *models.Contract) string {
	if c.Classifies() {
		return fmt.Sprintf("%d classes", c.Classes)
	}
	return fmt.Sprintf("%d numbers per image, task %s", c.Classes, c.Task)
}

func printContract(w io.Writer, c *models.Contract) {
	p := c.Preprocess
	out := outputOf(c)
	if c.Classifies() {
		out += ", " + string(c.Output)
	}
	printf(w, "contract\t%s: %dx%d pixels, %s %s, %s\n", c.Name, p.Width, p.Height, p.DType, p.Layout, out)
	fit := string(p.Fit)
	if p.ResizeTo > 0 {
		fit += fmt.Sprintf(" from a shortest side of %d", p.ResizeTo)
	}
	if p.Fraction > 0 {
		fit += fmt.Sprintf(" of %g", p.Fraction)
	}
	order, turn := "RGB", "upright"
	if p.BGR {
		order = "BGR"
	}
	if p.IgnoreOrientation {
		turn = "as stored"
	}
	printf(w, "  pixels\t%s, %s, %s, %s\n", p.Resize, fit, order, turn)
	if p.DType == preprocess.Float32 {
		scale := p.Scale
		if scale == 0 {
			scale = 1
		}
		printf(w, "  values\tscale %g, mean %v, std %v\n", scale, p.Mean, p.Std)
	}
	if c.TransformInput != nil {
		printf(w, "  network\ttransform_input %v\n", *c.TransformInput)
	}
	if c.Source != "" {
		printf(w, "  source\t%s %s\n", c.Source, c.SourceDigest)
	}
	printf(w, "  labels\t%s\n", strings.Join(some(c.Labels), ", "))
	printf(w, "  digests\tpreprocess %s\n\tlabels %s\n", c.PreprocessDigest(), c.LabelsDigest())
}

// some returns the first few labels.
func some(labels []string) []string {
	if len(labels) <= 8 {
		return labels
	}
	return append(labels[:8:8], fmt.Sprintf("... (%d)", len(labels)))
}

// axes formats a shape, with the names of its axes of any size.
func axes(p models.Port) string {
	if p.Shape == nil {
		return "of no declared shape"
	}
	var text []string
	for i, n := range p.Shape {
		switch {
		case n >= 0:
			text = append(text, fmt.Sprint(n))
		case p.Axes[i] != "":
			text = append(text, p.Axes[i])
		default:
			text = append(text, "N")
		}
	}
	return "[" + strings.Join(text, ",") + "]"
}

func counted(ops []models.OperatorCount) string {
	var text []string
	for _, o := range ops {
		text = append(text, fmt.Sprintf("%d %s", o.Count, o.Op))
	}
	return strings.Join(text, ", ")
}

func precisions(in *models.Inspection) string {
	var text []string
	for _, t := range slices.Sorted(maps.Keys(in.Precision)) {
		text = append(text, fmt.Sprintf("%s %s", grouped(in.Precision[t]), t))
	}
	if len(text) == 0 {
		return ""
	}
	return " (" + strings.Join(text, ", ") + ")"
}

// grouped writes 138357544 as 138,357,544.
func grouped(n int64) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
