package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/batchscore/batchscore/scorer"
	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/store"
)

func newShow() *cobra.Command {
	var places placeFlags
	var limit int
	var status string
	show := &cobra.Command{
		Use:   "show OUT",
		Short: "Print the first rows of an output folder as a table, and count the labels",
		Long: `show prints the first rows of an output folder, and counts labels and failures.
--status not_found, or several with commas between them, or failed for all that
have no label, shows those rows alone, with the reason.`,
		Example: "  batchscore show result --status failed --limit 100",
		Args:    oneArg("OUT"),
		RunE: func(c *cobra.Command, args []string) error {
			if limit < 1 {
				return usagef("--limit %d: at least one row is shown", limit)
			}
			var chosen output.Selection // nil is all
			if c.Flags().Changed("status") {
				var err error
				if chosen, err = scorer.ParseSelection(status, append(scorer.Failures(), output.StatusOK)); err != nil {
					return usagef("--status: %v", err)
				}
			}
			st, err := places.open("OUT", args[0])
			if err != nil {
				return err
			}
			return showRows(c, st, limit, chosen)
		},
	}
	show.Flags().IntVar(&limit, "limit", 20, "number of rows")
	show.Flags().StringVar(&status, "status", "", "show rows of these statuses alone, with commas between them: "+
		strings.Join(append(scorer.Failures(), output.StatusOK), ", ")+", or failed for all but ok")
	places.register(show)
	return show
}

// showRows prints the first rows that are chosen, and counts all of those.
func showRows(c *cobra.Command, st store.Store, limit int, chosen output.Selection) error {
	w := newTable(c.OutOrStdout())
	header := "IMAGE\tSTATUS\tLABEL\tSCORE"
	if chosen != nil {
		header += "\tERROR"
	}
	fmt.Fprintln(w, header)
	all, n := 0, 0
	counts := map[string]int{}
	err := output.Rows(c.Context(), st, func(r output.Row) error {
		all++
		if chosen != nil && !chosen.Has(r.Status) {
			return nil
		}
		counts[outcome(r)]++
		if n++; n > limit {
			return nil
		}
		score := "-"
		if r.Status == output.StatusOK {
			score = strconv.FormatFloat(float64(r.Score), 'f', 4, 64)
		}
		line := fmt.Sprintf("%s\t%s\t%s\t%s", printable(r.Path), r.Status, printable(r.Label), score)
		if chosen != nil {
			line += "\t" + printable(r.Error)
		}
		_, err := fmt.Fprintln(w, line)
		return err
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
	if _, err := fmt.Fprintln(c.OutOrStdout(), sum); err != nil {
		return err
	}
	return sayIncomplete(c, st, all)
}

// sayIncomplete says so of an output whose rows are not all, or not proven to
// be all, or may depend on one another.
func sayIncomplete(c *cobra.Command, st store.Store, rows int) error {
	if job, err := output.ReadJob(c.Context(), st); err == nil && job.DependentRows {
		if _, err := fmt.Fprintln(c.OutOrStdout(), output.DependentRowsNote); err != nil {
			return err
		}
	}
	s, err := output.ReadSuccess(c.Context(), st)
	if s.MixedDecoding {
		if _, err := fmt.Fprintln(c.OutOrStdout(), output.MixedDecodingNote); err != nil {
			return err
		}
	}
	if errors.Is(err, store.ErrNotExist) {
		_, err = fmt.Fprintf(c.OutOrStdout(), "There is no %s: the job is not complete.\n", output.SuccessName)
		return err
	}
	if err == nil && s.Images != rows {
		err = s.Stands(c.Context(), st)
	}
	return err
}

// outcome is what a row is counted under: its label, or why it has none.
func outcome(r output.Row) string {
	if r.Status == output.StatusOK {
		return printable(r.Label)
	}
	return r.Status
}
