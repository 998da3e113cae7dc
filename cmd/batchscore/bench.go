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
		Short: "Measure decoders, devices, whole runs and how jobs scale",
		Long: `bench measures a run and its stages, and what the machine could reach at most. Every
figure comes with the machine, the versions, the commit and the seed it was measured
with. Figures that a simulated device took part in say so.`,
		Args: subcommandOnly,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newBenchDecode(), newBenchInfer(), newBenchRun())
	cmd.AddCommand(newBenchRead(), newBenchSimulate(), newBenchScale(), newBenchRank())
	return cmd
}

// benchFlags are the flags of every command that measures.
type benchFlags struct {
	format, save string
}

func (f *benchFlags) register(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.StringVar(&f.format, "format", string(result.Table), "print figures as `FORMAT`: table, json, or bench: the Go benchmark format, which benchstat reads")
	fs.StringVar(&f.save, "save", "", "also append the raw samples to `FILE`, in the Go benchmark format")
}

// check checks the flags and that --save can be written. Call it before anything is
// measured.
func (f *benchFlags) check() error {
	if _, err := result.ParseFormat(f.format); err != nil {
		return usagef("--format: %w", err)
	}
	return f.keep(result.Run{})
}

// tell prints a run, and saves its samples if --save asks for it.
func (f *benchFlags) tell(cmd *cobra.Command, r result.Run, o result.TableOptions) error {
	return errors.Join(result.Write(cmd.OutOrStdout(), result.Format(f.format), r, o), f.keep(r))
}

// keep appends the samples of a run to the file of --save, if there is one.
func (f *benchFlags) keep(r result.Run) error {
	if f.save == "" {
		return nil
	}
	if err := result.Append(f.save, r); err != nil {
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
