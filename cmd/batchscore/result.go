package main

import (
	"fmt"
	"io"

	"github.com/rs/zerolog"

	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/row"
)

// sayResult prints the last line of a command whose job is complete: how many
// images have which status, what the listing passed over, and the command that
// shows the failures.
func sayResult(w io.Writer, place string, s *output.Success) {
	line := row.Tally(s.Statuses) + andPassedOver(s.PassedOver)
	if see := output.ShowCommand(place, s.Statuses); see != "" {
		line += "; see: " + see
	}
	fmt.Fprintln(w, line)
}

// sayDrift says which images are not those of the job. nil says nothing.
func sayDrift(w io.Writer, d *output.Drift) {
	if d != nil && *d != (output.Drift{}) {
		fmt.Fprintln(w, d)
	}
}

// logResult logs what sayResult prints.
func logResult(log zerolog.Logger, place string, s *output.Success) {
	e := log.Info().Int("images", s.Images).Int("ok", s.Statuses[row.StatusOK]).Int("failed", s.Failed).
		Interface("statuses", s.Statuses)
	if n := s.PassedOver.Files(); n > 0 {
		e = e.Int("passed_over", n)
	}
	if see := output.ShowCommand(place, s.Statuses); see != "" {
		e = e.Str("see", see)
	}
	e.Msg("complete: " + row.Tally(s.Statuses))
}

// judge returns nil if the report proves that the output is complete, else an
// error that says what is wrong.
func judge(r *output.Report) error {
	if err := r.Err(); err != nil || r.Complete {
		return err
	}
	if r.Publishing {
		return marked{fmt.Errorf("%s: incomplete: the rows of a retry are being put into the parts; run the job again to finish that",
			r.Output), output.ErrMismatch}
	}
	return marked{fmt.Errorf("%s: incomplete: every part exists, but there is no %s; run the job again to finish it",
		r.Output, output.SuccessName), output.ErrMismatch}
}
