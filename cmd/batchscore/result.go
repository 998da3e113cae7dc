package main

import (
	"fmt"
	"io"

	"github.com/rs/zerolog"

	"github.com/batchscore/batchscore/scorer/output"
)

// sayResult writes what became of the images of a complete job as the last line
// of a command, with the command that shows those that failed.
func sayResult(w io.Writer, place string, statuses map[string]int) {
	line := output.Tally(statuses)
	if see := output.ShowCommand(place, statuses); see != "" {
		line += "; see: " + see
	}
	fmt.Fprintln(w, line)
}

// logResult is sayResult for programs that read the log.
func logResult(log zerolog.Logger, place string, s *output.Success) {
	e := log.Info().Int("images", s.Images).Int("ok", s.Statuses[output.StatusOK]).Int("failed", s.Failed).
		Interface("statuses", s.Statuses)
	if see := output.ShowCommand(place, s.Statuses); see != "" {
		e = e.Str("see", see)
	}
	e.Msg("complete: " + output.Tally(s.Statuses))
}
