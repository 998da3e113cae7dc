package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"unicode"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/batchscore/batchscore/deploy/shellquote"
	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/library"
	"github.com/batchscore/batchscore/models/preprocess"
	"github.com/batchscore/batchscore/scorer/row"
)

// inspected is what inspect shows: what a graph holds, and what a run would do with it.
type inspected struct {
	*models.Inspection
	// Origin names where the model comes from; empty if nothing tells.
	Origin string `json:"origin,omitempty"`
	// Command runs the model. It has words in capitals where the user must choose.
	Command string   `json:"command,omitempty"`
	Notes   []string `json:"notes,omitempty"`
}

func newModelsInspect() *cobra.Command {
	var f contractFlags
	var asJSON bool
	var labels string
	cmd := &cobra.Command{
		Use:   "inspect PATH|NAME",
		Short: "Show what a model is, and what a run would do with it",
		Long: `inspect reads a model, an ONNX file or a folder with one, without its weights. It says what
the model is for, what a run would make of each image, and the command that runs it, or
why a run would refuse it: then it exits with code 78. Below are inputs and outputs, the
contract that a run would use, operators, learned parameters by precision, and the
multiply-adds of convolutions and matrix products for one image ("unknown" if a size
cannot be determined). It computes nothing, so it is safe for a model that you do not
trust, which run, check and golden are not.`,
		Example: `  batchscore models inspect model.onnx
  batchscore models inspect vit-flowers`,
		Args: oneArg("PATH"),
		RunE: func(cmd *cobra.Command, args []string) error {
			answers, err := f.answers(cmd)
			if err != nil {
				return err
			}
			if path, _, err := library.Find(f.dir, args[0]); err == nil {
				f.wholeName(path, &answers)
			}
			answers.LabelsPath = labels
			graph, found, err := library.Inspect(f.dir, args[0], models.OpenOptions{Given: []models.Given{{From: "flags", Answers: answers}}})
			if err != nil {
				return config(err)
			}
			in := &inspected{Inspection: graph}
			if found != nil {
				in.Origin, in.Notes = found.What, found.Notes
				if found.Kind != "" {
					in.Kind = found.Kind
				}
			}
			if in.Contract != nil {
				if _, err := row.ForContract(in.Contract); err != nil {
					in.Contract, in.Refused = nil, err.Error()
				}
			}
			in.Command = in.command(args[0], givenFlags(cmd))
			if asJSON {
				err = printJSON(cmd.OutOrStdout(), in)
			} else {
				err = printInspection(cmd.OutOrStdout(), in)
			}
			if err == nil && in.Refused != "" {
				err = config(fmt.Errorf("%w: a run would refuse %s", models.ErrModel, in.Path))
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().StringVar(&labels, "labels", "", "read the names of the classes from `FILE`, as run does")
	groupFlags(cmd, "Model flags", func() { f.register(cmd) })
	return cmd
}

// givenFlags returns the flags of inspect that run takes, too, as words of a command.
func givenFlags(cmd *cobra.Command) (words []string) {
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if f.Name != "json" {
			words = append(words, "--"+f.Name+"="+f.Value.String())
		}
	})
	return words
}

// command returns the command that runs the model that word names with those flags, or
// one that asks the open questions; empty if no command does.
func (in *inspected) command(word string, flags []string) string {
	switch {
	case in.Contract != nil:
		return "batchscore run --images IMAGES --out RESULT --model " + shellquote.Join(append([]string{word}, flags...))
	case len(in.Questions) > 0:
		argv := append([]string{stem(word), word}, flags...)
		text := "batchscore models add " + shellquote.Join(argv)
		for _, q := range in.Questions {
			text += " --" + q.Flag() + " ..."
		}
		return text
	}
	return ""
}

// stem returns a name for the registry, made of a path.
func stem(word string) string {
	base := filepath.Base(word)
	base = strings.TrimSuffix(base, filepath.Ext(base))
	base = strings.Trim(strings.Map(func(r rune) rune {
		if r < 128 && (unicode.IsLetter(r) || unicode.IsDigit(r) || r == '_' || r == '-') {
			return r
		}
		return '-'
	}, base), "-_")
	return cmp.Or(base, "model")
}

// describeKind says what a model is for and where it comes from.
func describeKind(kind models.Kind, what string) string {
	switch {
	case kind == "":
		return cmp.Or(what, "a model of images; its graph does not tell what its numbers mean")
	case what == "":
		return string(kind)
	}
	return string(kind) + " (" + what + ")"
}

// unsupported says what batchscore does instead with models of a kind that no task takes.
func unsupported(kind models.Kind) string {
	switch kind {
	case models.KindText, models.KindLanguage, models.KindSpeech, models.KindVideo, models.KindNoImage:
		return "batchscore scores images"
	case models.KindImageText:
		return "batchscore scores images alone; export the part that takes images (its vision model) for embeddings"
	case models.KindSegmenter, models.KindImageMap, models.KindSequence, models.KindPose, models.KindRotated:
		return "batchscore makes one row of each image: classes, labels, a vector, named numbers or boxes"
	}
	return ""
}

func printInspection(out io.Writer, in *inspected) error {
	if err := printSummary(out, in); err != nil {
		return err
	}
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
	if in.Features != "" {
		printf(w, "vectors\t'batchscore models cut %s -o FILE' gives the %d numbers of %s, before the last layers\n",
			shellquote.Quote(in.Path), in.FeatureNumbers, in.Features)
	}
	printf(w, "operators\t%s\n", counted(in.Operators))
	printf(w, "parameters\t%s%s\n", grouped(in.Parameters), precisions(in.Inspection))
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
	for _, c := range append(in.Conflicts, in.Notes...) {
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

// printSummary says what the model is, what a run would make of an image, and how to run
// it.
func printSummary(out io.Writer, in *inspected) error {
	printf(out, "It is %s.\n", describeKind(in.Kind, in.Origin))
	switch c := in.Contract; {
	case c != nil:
		p := c.Preprocess
		printf(out, "A run gives each image %s, from %dx%d pixels.\n", answerOf(c), p.Width, p.Height)
	case len(in.Questions) > 0:
		printf(out, "A run needs to know more about it: %d questions are at the end.\n", len(in.Questions))
	default:
		printf(out, "A run would refuse it; the reason is at the end.\n")
		if instead := unsupported(in.Kind); instead != "" {
			printf(out, "%s%s.\n", strings.ToUpper(instead[:1]), instead[1:])
		}
	}
	if in.Command != "" {
		printf(out, "\n  %s\n", in.Command)
	}
	_, err := printf(out, "\n")
	return err
}

// answerOf says what a row of the result has for an image.
func answerOf(c *models.Contract) string {
	switch c.Task {
	case models.MultiLabel:
		return fmt.Sprintf("the labels of %d classes that apply to it", c.Labelled())
	case models.Embed:
		return fmt.Sprintf("a vector of %d numbers", c.Classes)
	case models.Raw:
		return fmt.Sprintf("%d numbers: %s", c.Classes, strings.Join(some(c.Settings.Columns), ", "))
	case models.Detect:
		return fmt.Sprintf("boxes of %d classes", c.Classes)
	}
	if !c.Classifies() {
		return outputOf(c)
	}
	return fmt.Sprintf("the best of %d classes and its score", c.Labelled())
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
	switch {
	case p.Fit == preprocess.StretchCrop:
		fit += fmt.Sprintf(" from %dx%d", p.ResizeTo, cmp.Or(p.ResizeToHeight, p.ResizeTo))
	case p.ResizeTo > 0:
		fit += fmt.Sprintf(" from a shortest side of %d", p.ResizeTo)
	}
	if p.Fraction > 0 {
		fit += fmt.Sprintf(" of %g", p.Fraction)
	}
	order, turn := "RGB", "upright"
	switch {
	case p.BGR:
		order = "BGR"
	case p.Grey != "":
		order = "one channel"
	}
	if p.IgnoreOrientation {
		turn = "as stored"
	}
	printf(w, "  pixels\t%s\n", strings.Join(append([]string{string(p.Resize), fit, order, turn}, p.Surroundings()...), ", "))
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
			text = append(text, shortened(p.Axes[i]))
		default:
			text = append(text, "N")
		}
	}
	return "[" + strings.Join(text, ",") + "]"
}

// shortened cuts the name of an axis, which may be a formula.
func shortened(name string) string {
	if len(name) > 24 {
		return "..."
	}
	return name
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
