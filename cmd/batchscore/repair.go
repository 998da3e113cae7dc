package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/prune"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/telemetry/printable"
)

func newRepair() *cobra.Command {
	var places placeFlags
	cmd := &cobra.Command{
		Use:   "repair OUT",
		Short: "Repair an output folder whose parts or records are damaged, altered or missing",
		Long: `repair checks an output folder as verify does and repairs what it can. It moves
damaged and altered parts to _batchscore/repair/ in the folder and deletes nothing.
Running the job again then scores the chunks of those parts, and no others. If all
parts are right and only _SUCCESS, the file of digests or a list of failed or gone images
is not, repair writes that file again. A damaged job record or manifest cannot be
repaired (exit code 10).

Of an output that keeps rows of others it repairs only what it holds itself, and says
which of the others is missing or is not what was recorded.

Run it while no rank is working on the folder. It exits with 0 once everything
damaged is out of the way, even if parts have yet to be scored again.

` + placesHelp,
		Example: "  batchscore repair result",
		Args:    oneArg("OUT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			st, err := places.open("OUT", args[0])
			if err != nil {
				return err
			}
			done, err := output.Repair(cmd.Context(), st)
			if err != nil {
				return err
			}
			if _, err = fmt.Fprint(cmd.OutOrStdout(), done.String()); err != nil || done.Missing == 0 {
				return err
			}
			return sayDependents(cmd.Context(), cmd.OutOrStdout(), st)
		},
	}
	groupFlags(cmd, "Storage flags", func() { places.register(cmd) })
	return cmd
}

// sayDependents says which outputs keep rows of one whose parts must be made again.
func sayDependents(ctx context.Context, stdout io.Writer, st store.Store) error {
	job, err := output.ReadJob(ctx, st)
	if err != nil {
		return err
	}
	all, err := prune.Dependents(ctx, st, job.ID)
	for _, d := range all {
		if err := sayLine(stdout, fmt.Sprintf("%s keeps rows of this output: once these parts are made again, verify it", printable.Line(d.String()))); err != nil {
			return err
		}
	}
	return err
}
