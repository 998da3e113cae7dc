package main

import (
	"io"
	"time"

	"github.com/batchscore/batchscore/scorer/telemetry"
)

// steps is a progress bar of a command that is told how far it is. Off a terminal it shows nothing.
type steps struct {
	progress *telemetry.Progress
	start    time.Time
	done     int
}

// newSteps returns a bar on w, labelled what, of a number of steps; 0 if that is not known.
func newSteps(w io.Writer, what string, total int) *steps {
	s := &steps{progress: &telemetry.Progress{Lines: &telemetry.Lines{W: io.Discard}, Bar: newBar(w, what)}, start: time.Now()}
	s.progress.Start(total)
	return s
}

// to says how many steps are done. Calls do not overlap.
func (s *steps) to(done int) {
	s.progress.Add(done-s.done, 0)
	s.done = done
}

// end removes the bar.
func (s *steps) end() { s.progress.Finish(time.Since(s.start)) }
