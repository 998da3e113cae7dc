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
		Short: "Mend an output folder in which parts or records are damaged, altered or missing",
		Long: `repair reads an output folder as verify does and mends what can be mended.
Damaged and altered parts are set aside, into _batchscore/repair/ of the folder:
nothing is lost. Running the job again then makes them, and no others. Where
every part is right and _SUCCESS or the file of digests is not, repair makes that
again by itself. A damaged job record or manifest cannot be mended (exit code 10).

Call it while no rank is at work on the folder. It exits with 0 when all that is
damaged is out of the way, whether or not parts are to be made again.

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
	places.register(cmd)
	return cmd
}
