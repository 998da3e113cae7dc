package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/batchscore/batchscore/bench/compare"
	"github.com/batchscore/batchscore/bench/result"
)

func newBenchCompare() *cobra.Command {
	var o compare.Options
	var format, chart string
	var given prices
	cmd := &cobra.Command{
		Use:   "compare FILE...",
		Short: "Compare saved samples side by side: devices, machines or settings, with prices and a chart",
		Long: `compare reads files that --save wrote, and prints one table: for each device, the
median rate in images/s with its 95% confidence interval, its ratio to the first one,
how many images a unit of the currency buys, which share of its limit the run reached,
and what limits it.

--by says what is compared: a key of the samples, such as device, or what is known of
their machine, such as cpu. "file" compares the files with one another; it is the
default if all samples have the same device. Keys that differ within a device, such as
the number of ranks, get a column of their own, and rows are compared at the same value.
The price is that of one device for an hour; part of a device's name suffices.`,
		Example: `  batchscore bench compare p100.txt k80.txt
  batchscore bench compare p100.txt k80.txt --by device --price p100=3.1,k80=0.9 --chart compare.svg
  batchscore bench compare before.txt after.txt --by file --format markdown`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("no file given: name the files that --save wrote")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := oneOf("format", format, compare.Formats); err != nil {
				return err
			}
			if err := checkChart(chart); err != nil {
				return err
			}
			o.Prices = given
			files, err := readSamples(args)
			if err != nil {
				return config(err)
			}
			t, err := compare.Of(files, o)
			if err != nil {
				return usage(err)
			}
			if err := saveChart(cmd.Context(), chart, t); err != nil {
				return err
			}
			return t.Write(cmd.OutOrStdout(), format, widthOf(cmd.OutOrStdout()))
		},
	}
	fs := cmd.Flags()
	fs.StringVar(&o.By, "by", "", "compare the values of `KEY` (default device, or file if there is one device)")
	fs.StringVar(&o.Bench, "bench", "", "compare the benchmark `NAME`, such as Run or Decode (default the one that says most)")
	fs.StringVar(&o.Unit, "unit", "", "compare the figures in `UNIT` (default images/s)")
	fs.Var(&given, "price", "an hour on a device costs `DEVICE=PRICE,...`, in any currency, or PRICE on any of them")
	fs.StringVar(&format, "format", "text", "print the table as `FORMAT`: "+strings.Join(compare.Formats, ", "))
	chooseOne(cmd, "format", compare.Formats)
	registerChart(fs, &chart)
	return cmd
}

// readSamples reads files of samples. Their names are those of the files, without what
// all have in common.
func readSamples(paths []string) ([]compare.File, error) {
	var files []compare.File
	var seen []os.FileInfo
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(seen, func(other os.FileInfo) bool { return os.SameFile(info, other) }) {
			return nil, fmt.Errorf("%s is named twice: its samples would count twice", path)
		}
		seen = append(seen, info)
		runs, err := result.Read(path)
		if err != nil {
			return nil, err
		}
		if len(runs) == 0 {
			return nil, fmt.Errorf("%s has no samples: --save of the bench commands writes them", path)
		}
		name := strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
		if slices.ContainsFunc(files, func(f compare.File) bool { return f.Name == name }) {
			name = path
		}
		files = append(files, compare.File{Name: name, Runs: runs})
	}
	return files, nil
}

// saveChart writes a table as a chart, if a file is named.
func saveChart(ctx context.Context, file string, t *compare.Table) error {
	if file == "" {
		return nil
	}
	drawn, err := t.Chart()
	if err != nil {
		return usage(fmt.Errorf("--chart: %w", err))
	}
	return writeChart(ctx, file, drawn)
}

// widthOf returns the width of a terminal, or 0 for anything else.
func widthOf(w io.Writer) int {
	f, ok := terminalOf(w)
	if !ok {
		return 0
	}
	width, _ := terminalSize(f)
	return width
}
