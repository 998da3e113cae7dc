package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/batchscore/batchscore/bench/chart"
	"github.com/batchscore/batchscore/bench/compare"
	"github.com/batchscore/batchscore/bench/result"
	"github.com/batchscore/batchscore/models"
)

func newBench() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure decoders, devices, whole runs and how jobs scale",
		Long: `bench measures a run and its stages, and what the machine could reach at most. Every
figure comes with the machine, the versions, the commit and the seed it was measured
with. Figures that a simulated device took part in say so.`,
		Args: subcommandOnly,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newBenchDecode(), newBenchInfer(), newBenchRun())
	cmd.AddCommand(newBenchCompare(), newBenchRead(), newBenchSimulate(), newBenchScale(), newBenchRank())
	return cmd
}

// benchFlags are the flags of every command that measures.
type benchFlags struct {
	format, save string
	chart        string
	price        prices
	details      bool
}

// registerChart adds the flag that draws a chart.
func registerChart(fs *pflag.FlagSet, file *string) {
	registerChartOf(fs, file, "the rates")
}

// registerChartOf is registerChart for a chart of something else.
func registerChartOf(fs *pflag.FlagSet, file *string, what string) {
	fs.StringVar(file, "chart", "", "also draw "+what+" as a chart into `FILE`, which ends in .svg or .png")
}

// registerFigures adds flags of the commands that measure rates of devices.
func (f *benchFlags) registerFigures(fs *pflag.FlagSet) {
	registerChart(fs, &f.chart)
	fs.Var(&f.price, "price", "a device costs `PRICE` per hour, in any currency, or DEVICE=PRICE,..."+
		" (of a mixture, the mean: p100+k80=2): also print what a million images cost")
	fs.BoolVar(&f.details, "details", false, "print all figures in tables of several rows, not only those that matter most")
}

func (f *benchFlags) register(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.StringVar(&f.format, "format", string(result.Table), "print figures as `FORMAT`: table, json, or bench: the Go benchmark format, which benchstat reads")
	chooseOne(cmd, "format", asWords(result.Formats))
	fs.StringVar(&f.save, "save", "", "also append the raw samples to `FILE`, in the Go benchmark format")
}

// check checks the flags and that --save can be written. Call it before anything is
// measured.
func (f *benchFlags) check() error {
	if err := oneOf("format", f.format, asWords(result.Formats)); err != nil {
		return err
	}
	if err := checkChart(f.chart); err != nil {
		return err
	}
	if isSpecial(f.save) {
		return nil // a pipe may have no reader yet
	}
	return f.keep(context.Background(), result.Run{})
}

// checkChart refuses a file for a chart whose ending says nothing about its format.
func checkChart(file string) error {
	if file != "" && !slices.Contains(chart.Endings, strings.ToLower(filepath.Ext(file))) {
		return invalid("chart", file, "a file that ends in "+strings.Join(chart.Endings, " or "))
	}
	return nil
}

// writeChart writes a chart as the ending of the file's name says.
func writeChart(ctx context.Context, file string, drawn *chart.Drawing) error {
	body, err := drawn.File(file)
	if err == nil {
		err = writeBytes(ctx, file, body)
	}
	if err != nil {
		return config(fmt.Errorf("--chart: %w", err))
	}
	return nil
}

// unitPrice is the unit of what a million images cost.
const unitPrice = "price/million-images"

// figures are the figures of rates that matter most, in the order of tables.
var figures = []string{compare.Rate, unitPrice, "speed-up", "efficiency", "of-limit", "of-peak", "nodes-taken", "model-error",
	"model-makespan-s", "minutes/100k-images", "lost/100k-images"}

// words explain the units of tables.
var words = map[string]string{
	compare.Rate: "of whole runs", unitPrice: "in the currency of --price",
	"session-images/s": "of the device alone", "decode-images/s": "of the decoders alone", "fetch-images/s": "of reading alone",
	"cores-images/s": "that the cores can read and decode", "of-session": "share of the device's rate that the run reached",
	"of-limit": "share that was reached of what all stages allow together", "of-limit-cpu": "the same in processor time",
	"cpu-ms/image": "processor time of an image", "device-busy": "share of the time", "decoders-busy": "share of the time",
	"committer-busy": "share of the time", "cores-busy": "share of the time, all programs",
	"gpu-busy": "share of the time, as the GPU reports it", "gpu-watts": "of the whole GPU", "images/J": "of the whole GPU",
	"gpu-throttled-s": "in which the GPU's clock was lowered",
	"makespan-s":      "first start to last end", "minutes/100k-images": "for 100,000 images at full speed",
	"speed-up": "against one device that is never idle", "efficiency": "share of the ideal speed",
	"manifest-s": "listing the images", "tail-GPU-s": "idle at the end", "lost-GPU-s": "GPU time beyond the ideal",
	"lost/100k-images": "price of it", "requests": "to the storage",
}

// tell prints a run, and saves its samples if --save asks for it.
func (f *benchFlags) tell(cmd *cobra.Command, r result.Run, o result.TableOptions) error {
	o.First, o.Words, o.Limits, o.Details = figures, words, compare.Limits, f.details
	o.Derive = priceOfMedian
	o.Width = widthOf(cmd.OutOrStdout())
	for i := range r.Samples {
		f.price.priced(&r.Samples[i])
	}
	return errors.Join(result.Write(cmd.OutOrStdout(), result.Format(f.format), r, o), f.keep(cmd.Context(), r))
}

// draw draws the samples of a run as a chart, by a key, if --chart asks for it.
func (f *benchFlags) draw(ctx context.Context, r result.Run, by string) error {
	if f.chart == "" {
		return nil
	}
	t, err := compare.Of([]compare.File{{Runs: []result.Run{r}}}, compare.Options{By: by})
	if err != nil {
		return err
	}
	return saveChart(ctx, f.chart, t)
}

// keep appends the samples of a run to the file of --save, if there is one.
func (f *benchFlags) keep(ctx context.Context, r result.Run) error {
	if f.save == "" {
		return nil
	}
	var err error
	if info, statErr := os.Stat(f.save); statErr == nil && !info.IsDir() && !info.Mode().IsRegular() {
		err = writeInto(ctx, f.save, info.Mode(), func(w io.Writer) error { return result.WriteBench(w, r) })
	} else {
		err = result.Append(f.save, r)
	}
	if err != nil {
		return config(fmt.Errorf("--save: %w", err))
	}
	return nil
}

// fits adds what to do to an error about too little memory.
func fits(err error, flag string) error {
	if errors.Is(err, models.ErrOutOfMemory) {
		return config(fmt.Errorf("%w; give a smaller %s", err, flag))
	}
	return err
}

// provenance returns the provenance of a run of this program now. versions are those
// of other programs and libraries that take part, by name in lower case.
func provenance(seed uint64, versions map[string]string) result.Provenance {
	p := result.Here(versions, seed)
	p.Versions["batchscore"] = version
	return p
}
