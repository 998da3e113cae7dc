package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/batchscore/batchscore/bench/chart"
	"github.com/batchscore/batchscore/bench/ranks"
	"github.com/batchscore/batchscore/bench/result"
	"github.com/batchscore/batchscore/shard/straggle"
)

func newBenchRead() *cobra.Command {
	var f benchFlags
	var o ranks.Options
	var oneGPU time.Duration
	cmd := &cobra.Command{
		Use:   "read LOG...",
		Short: "Analyse a job by the lines that its ranks logged",
		Long: fmt.Sprintf(`read finds out what each rank did from the lines that it logged: those of the 2018
recipe or of batchscore, with any prefix that the launcher added, in a text file or in
a Jupyter notebook (.ipynb) that printed them:

  Worker 30 needs to process 3124 images
  Worker 30 Processed 100/3124 images
  Worker 0 Processed 3124 images, took 0:10:43.983157

It reports the makespan, the makespan that the same ranks could have reached with
perfectly divided work, which ranks straggle, and how many images are lost. "-" reads
standard input. The last lines of a job of batchscore say how many images have a row and
how long the job took until its last part: that is the makespan to quote. Two ranks may
race for a chunk near the end; then both count its images. Logs of jobs with different
outputs get a report each. A log is no proof: "verify" is.

A rank straggles if its time per image exceeds the median of all ranks by more than %g
robust standard deviations (1.4826 times the median absolute deviation) and by more
than %g%%, if there are three ranks or more. Where ranks take chunks
from one another, a rank is granted one more chunk. --chart shows how long each rank
took, and marks those that straggle.`, straggle.Factor, 100*straggle.Least),
		Example: `  batchscore bench read stdout.txt --asked 100000 --one-gpu 255m --ranks-per-node 4 --price 2
  batchscore bench read stdout.txt --chart ranks.png`,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case len(args) == 0:
				return usagef("no log given: name files, or - for standard input")
			case o.Asked < 0 || oneGPU < 0 || o.World < 0 || o.World > ranks.MostRanks || o.PerNode < 0 || !finite(o.Price):
				return usagef("--asked, --one-gpu, --ranks, --ranks-per-node and --price must be above zero, or left out if unknown;"+
					" there are at most %d ranks", ranks.MostRanks)
			}
			if err := f.check(); err != nil {
				return err
			}
			logs, err := readLogs(cmd.InOrStdin(), args)
			if err != nil {
				return config(err)
			}
			o.OneGPU = oneGPU.Seconds()
			return tellRanks(cmd, &f, logs, o)
		},
	}
	f.register(cmd)
	fs := cmd.Flags()
	registerChartOf(fs, &f.chart, "the times of the ranks")
	fs.IntVar(&o.Asked, "asked", 0, "the job was to label `N` images")
	fs.DurationVar(&oneGPU, "one-gpu", 0, "one GPU takes `DURATION` for them, such as 255m")
	fs.IntVar(&o.World, "ranks", 0, "the job had `N` ranks (default as many as the highest rank in the log says)")
	fs.IntVar(&o.PerNode, "ranks-per-node", 0, "`N` consecutive ranks share a node, to name the nodes of stragglers")
	fs.Float64Var(&o.Price, "price", 0, "a GPU costs `PRICE` per hour, in any currency")
	return cmd
}

// readLogs reads the logs with these names, or standard input for "-".
func readLogs(stdin io.Reader, names []string) ([]ranks.Log, error) {
	var logs []io.Reader
	for _, name := range names {
		if name == "-" {
			logs = append(logs, stdin)
			continue
		}
		file, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer file.Close()
		logs = append(logs, file)
	}
	return ranks.ReadLogs(logs...)
}

// tellRanks prints a report on each job. Its figures are those of the machines that wrote
// the log, which are unknown.
func tellRanks(cmd *cobra.Command, f *benchFlags, logs []ranks.Log, o ranks.Options) error {
	run := result.Run{
		Provenance: result.Provenance{Date: time.Now().UTC().Truncate(time.Second), Versions: map[string]string{"batchscore": version}},
	}
	type told struct {
		Simulated bool `json:"simulated"`
		ranks.Report
	}
	var all []told
	var reports []ranks.Report
	var simulated []bool
	for i, log := range logs {
		o.Job = log.Job
		r := ranks.Analyse(log.Ranks, o)
		var keys []result.Key
		if len(logs) > 1 {
			keys = []result.Key{result.K("job", i+1)}
		}
		run.Samples = append(run.Samples, r.Samples(log.Simulated, keys...)...)
		all = append(all, told{log.Simulated, r})
		reports, simulated = append(reports, r), append(simulated, log.Simulated)
	}
	if err := f.drawRanks(cmd.Context(), reports, simulated); err != nil {
		return err
	}
	if err := f.keep(cmd.Context(), run); err != nil {
		return err
	}
	switch result.Format(f.format) {
	case result.JSON:
		if len(all) == 1 {
			return printJSON(cmd.OutOrStdout(), all[0])
		}
		return printJSON(cmd.OutOrStdout(), struct {
			Jobs []told `json:"jobs"`
		}{all})
	case result.Bench:
		return result.WriteBench(cmd.OutOrStdout(), run)
	}
	return ranks.WriteTexts(cmd.OutOrStdout(), reports, simulated, widthOf(cmd.OutOrStdout()))
}

// drawRanks draws the times of the ranks of a job, if --chart asks for it.
func (f *benchFlags) drawRanks(ctx context.Context, reports []ranks.Report, simulated []bool) error {
	switch {
	case f.chart == "":
		return nil
	case len(reports) > 1:
		return usagef("--chart shows one job, and the logs are of %d: give the logs of one of them", len(reports))
	}
	title := "Time of each rank"
	if simulated[0] {
		title += " (simulated)"
	}
	drawn, err := chart.Ranks(title, &reports[0])
	if err != nil {
		return usage(fmt.Errorf("--chart: %w", err))
	}
	return writeChart(ctx, f.chart, drawn)
}
