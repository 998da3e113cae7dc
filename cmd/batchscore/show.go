package main

import (
	"errors"
	"fmt"
	"strconv"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/store/dir"
)

func newShow() *cobra.Command {
	var limit int
	cmd := &cobra.Command{
		Use:   "show OUT",
		Short: "Print the first rows of an output folder as a table",
		Args:  oneArg("OUT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if limit < 1 {
				return usagef("--limit %d: at least one row is shown", limit)
			}
			st, err := dir.New(args[0], dir.Options{})
			if err != nil {
				return err
			}
			w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 8, 2, ' ', 0)
			fmt.Fprintln(w, "IMAGE\tSTATUS\tLABEL\tSCORE")
			enough := errors.New("enough")
			n := 0
			err = output.Rows(cmd.Context(), st, func(r output.Row) error {
				if n++; n > limit {
					return enough
				}
				score := "-"
				if r.Status == output.StatusOK {
					score = strconv.FormatFloat(float64(r.Score), 'f', 4, 64)
				}
				_, err := fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", printable(r.Path), r.Status, printable(r.Label), score)
				return err
			})
			if err != nil && !errors.Is(err, enough) {
				return err
			}
			return w.Flush()
		},
	}
	cmd.Flags().IntVar(&limit, "limit", 20, "number of rows")
	return cmd
}

// printable keeps a name from moving the cursor or breaking the table.
func printable(s string) string {
	q := strconv.Quote(s)
	if inner := q[1 : len(q)-1]; inner != s {
		return q
	}
	return s
}
