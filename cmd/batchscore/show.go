package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store"
)

func newShow() *cobra.Command {
	var places placeFlags
	var limit int
	var status string
	show := &cobra.Command{
		Use:   "show OUT",
		Short: "Print the first rows of a result as a table, and count labels and failures",
		Long: `show prints the first rows of an output folder, and counts labels and failures. With
--status not_found, or several separated by commas, or failed for all images without a
result, it shows only those rows, with the reason.

` + placesHelp,
		Example: `  batchscore show result
  batchscore show result --status failed --limit 100`,
		Args: oneArg("OUT"),
		RunE: func(c *cobra.Command, args []string) error {
			if limit < 1 {
				return invalid("limit", limit, "a number of rows above zero")
			}
			var chosen row.Selection // nil is all
			if c.Flags().Changed("status") {
				var err error
				if chosen, err = row.ParseSelection(status, append(row.FailureStatuses(), row.StatusOK)); err != nil {
					return usagef("--status: %v", err)
				}
			}
			st, err := places.open("OUT", args[0])
			if err != nil {
				return err
			}
			return showRows(c.Context(), c.OutOrStdout(), st, limit, chosen)
		},
	}
	show.Flags().IntVar(&limit, "limit", 20, "show at most `N` rows")
	show.Flags().StringVar(&status, "status", "", "show only rows with this `STATUS`, or with several, separated by commas: "+
		strings.Join(append(row.FailureStatuses(), row.StatusOK), ", ")+", or failed for all except ok")
	groupFlags(show, "Storage flags", func() { places.register(show) })
	return show
}

// showRows prints the first chosen rows, at most limit, and counts all of them.
func showRows(ctx context.Context, stdout io.Writer, st store.Store, limit int, chosen row.Selection) error {
	job, err := output.ExistingJob(ctx, st)
	if err != nil {
		return err
	}
	task := job.Schema().Shown()
	w := newTable(stdout)
	printLine := func(cells ...string) error {
		_, err := fmt.Fprintln(w, strings.Join(cells, "\t"))
		return err
	}
	header := append([]string{"IMAGE", "STATUS"}, task.Headings()...)
	if chosen != nil {
		header = append(header, "ERROR")
	}
	if err := printLine(header...); err != nil {
		return err
	}
	all, n := 0, 0
	counts := map[string]int{}
	err = output.Rows(ctx, st, func(r row.Row) error {
		all++
		if chosen != nil && !chosen.Has(r.Status) {
			return nil
		}
		if r.Status == row.StatusOK {
			counts[printable(task.Caption(&r))]++
		} else {
			counts[r.Status]++
		}
		if n++; n > limit {
			return nil
		}
		line := []string{printable(r.Path), r.Status}
		for _, cell := range task.Cells(&r) {
			line = append(line, printable(cell))
		}
		if chosen != nil {
			line = append(line, printable(r.Error))
		}
		return printLine(line...)
	})
	if err != nil {
		return err
	}
	if n > limit {
		fmt.Fprintf(w, "... and %d more, see --limit\n", n-limit)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if all == 0 {
		return fmt.Errorf("%w: %s has no part yet", output.ErrIncomplete, st)
	}
	sum := fmt.Sprintf("%d images", n)
	if n < all {
		sum = fmt.Sprintf("%d of %d images", n, all)
	}
	if n > 0 {
		sum += ": " + tally(counts)
	}
	if _, err := fmt.Fprintln(stdout, sum); err != nil {
		return err
	}
	return sayIncomplete(ctx, stdout, st, &job, all)
}

// sayIncomplete prints a line if the rows that exist may not be all, and one for
// each reason for which they may not be what they should be.
func sayIncomplete(ctx context.Context, stdout io.Writer, st store.Store, job *output.Job, rows int) error {
	if job.DependentRows {
		if _, err := fmt.Fprintln(stdout, output.DependentRowsNote); err != nil {
			return err
		}
	}
	s, err := output.ReadSuccess(ctx, st)
	if s.MixedDecoding {
		if _, err := fmt.Fprintln(stdout, output.MixedDecodingNote); err != nil {
			return err
		}
	}
	if errors.Is(err, store.ErrNotExist) {
		_, err = fmt.Fprintf(stdout, "There is no %s: the job is not complete.\n", output.SuccessName)
		return err
	}
	if err == nil && s.Images != rows {
		err = s.CheckParts(ctx, st)
	}
	return err
}
