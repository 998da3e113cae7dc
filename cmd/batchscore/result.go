package main

import (
	"fmt"
	"io"

	"github.com/rs/zerolog"

	"github.com/batchscore/batchscore/scorer/output"
)

// sayResult writes what became of the images of a complete job as the last line
// of a command, with what the listing passed over, and the command that shows
// those that failed.
func sayResult(w io.Writer, place string, s *output.Success) {
	line := output.Tally(s.Statuses) + andPassedOver(s.PassedOver)
	if see := output.ShowCommand(place, s.Statuses); see != "" {
		line += "; see: " + see
	}
	fmt.Fprintln(w, line)
}

// andPassedOver continues a line with what a listing passed over, if anything.
func andPassedOver(p output.PassedOver) string {
	if len(p) == 0 {
		return ""
	}
	return "; " + p.String()
}

// logResult is sayResult for programs that read the log.
func logResult(log zerolog.Logger, place string, s *output.Success) {
	e := log.Info().Int("images", s.Images).Int("ok", s.Statuses[output.StatusOK]).Int("failed", s.Failed).
		Interface("statuses", s.Statuses)
	if n := s.PassedOver.Files(); n > 0 {
		e = e.Int("passed_over", n)
	}
	if see := output.ShowCommand(place, s.Statuses); see != "" {
		e = e.Str("see", see)
	}
	e.Msg("complete: " + output.Tally(s.Statuses))
}
