package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/batchscore/batchscore/bench/result"
	"github.com/batchscore/batchscore/models"
)

func newBench() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure decoder, device and whole runs on this machine",
		Long: `bench measures what a run is made of, and what the machine could give at most.
Every figure is told with the machine, the versions, the commit and the seed that
it comes from; whatever a simulated device takes part in says so.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newBenchDecode(), newBenchInfer(), newBenchRun())
	cmd.AddCommand(newBenchRead(), newBenchSimulate(), newBenchScale(), newBenchRank())
	return cmd
}

// benchFlags are those of every command that measures.
type benchFlags struct {
	format, save string
}

func (f *benchFlags) register(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.StringVar(&f.format, "format", string(result.Table), "table, json, or bench: the Go benchmark format, which benchstat reads")
	fs.StringVar(&f.save, "save", "", "also append the raw samples to this file, in the Go benchmark format")
}

// check is to be called before anything is measured, so that nothing is measured
// in vain.
func (f *benchFlags) check() error {
	if _, err := result.ParseFormat(f.format); err != nil {
		return usagef("--format: %w", err)
	}
	return f.keep(result.Run{})
}

// tell prints a run, and keeps its samples where that is asked for.
func (f *benchFlags) tell(cmd *cobra.Command, r result.Run, o result.TableOptions) error {
	return errors.Join(result.Write(cmd.OutOrStdout(), result.Format(f.format), r, o), f.keep(r))
}

// keep appends a run's samples to the file of --save.
func (f *benchFlags) keep(r result.Run) error {
	if f.save == "" {
		return nil
	}
	if err := result.Append(f.save, r); err != nil {
		return config(fmt.Errorf("--save: %w", err))
	}
	return nil
}

// fits makes of an error for want of memory one that says what to do.
func fits(err error, flag string) error {
	if errors.Is(err, models.ErrOutOfMemory) {
		return config(fmt.Errorf("%w; give a smaller %s", err, flag))
	}
	return err
}

// provenance is that of a run of this program now. Versions are of what else
// takes part, by name in lower case.
func provenance(seed uint64, versions map[string]string) result.Provenance {
	p := result.Here(versions, seed)
	p.Versions["batchscore"] = version
	return p
}
