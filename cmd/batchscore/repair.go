package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/batchscore/batchscore/scorer/output"
)

func newRepair() *cobra.Command {
	var places placeFlags
	cmd := &cobra.Command{
		Use:   "repair OUT",
		Short: "Repair an output folder whose parts or records are damaged, altered or missing",
		Long: `repair checks an output folder as verify does and repairs what it can. It moves
damaged and altered parts to _batchscore/repair/ in the folder and deletes nothing.
Running the job again then scores the chunks of those parts, and no others. If all
parts are right and only _SUCCESS or the file of digests is not, repair writes that
file again. A damaged job record or manifest cannot be repaired (exit code 10).

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
			_, err = fmt.Fprint(cmd.OutOrStdout(), done.String())
			return err
		},
	}
	groupFlags(cmd, "Storage flags", func() { places.register(cmd) })
	return cmd
}
