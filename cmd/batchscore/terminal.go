package main

import (
	"io"
	"os"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/term"

	"github.com/batchscore/batchscore/scorer/telemetry"
)

// isTerminal reports whether w is a terminal.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// terminalSize returns the size of a terminal in characters, or 80 by 24 if it
// cannot be read.
func terminalSize(f *os.File) (width, height int) {
	width, height, err := term.GetSize(int(f.Fd()))
	if err != nil || width < 1 || height < 2 {
		return 80, 24
	}
	return width, height
}

// noColor reports whether colours are switched off, as https://no-color.org
// defines it: by any value except the empty one.
func noColor() bool { return os.Getenv("NO_COLOR") != "" }

// console returns a writer that formats JSON log lines for people.
func console(w io.Writer, terminal bool) io.Writer {
	return zerolog.ConsoleWriter{Out: w, NoColor: !terminal || noColor(), TimeFormat: time.TimeOnly}
}

// newBar returns a progress bar on w, labelled what, or nil if w is not a
// terminal or is too narrow for one.
func newBar(w io.Writer, what string) *telemetry.Bar {
	f, ok := w.(*os.File)
	if !ok || !isTerminal(f) {
		return nil
	}
	width := func() int { columns, _ := terminalSize(f); return columns }
	if width() < telemetry.BarWidth {
		return nil
	}
	return telemetry.NewBar(f, what, width, !noColor())
}
