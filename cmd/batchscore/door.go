package main

import (
	"io"
	"io/fs"
	"os"

	"golang.org/x/term"

	"github.com/batchscore/batchscore/scorer/telemetry/printable"
)

// door is what commands have for standard output and standard error. What they write goes
// out as printable.Text, so that no text from outside reaches a terminal, or a log that is
// read on one, as it is. Only styled and verbatim give the stream behind it.
type door struct {
	*printable.Writer
	w io.Writer
}

// openDoors returns the doors in front of standard output and standard error. Messages are
// always printable. Data is only if it goes to a terminal: a file or a pipe gets every byte.
func openDoors(stdout, stderr io.Writer) (out, err io.Writer, closeDoors func()) {
	e := &door{printable.NewWriter(stderr), stderr}
	if !isTerminal(stdout) {
		return stdout, e, func() { _ = e.Close() }
	}
	o := &door{printable.NewWriter(stdout), stdout}
	return o, e, func() { _, _ = o.Close(), e.Close() }
}

// printableOn returns a writer to an open file, which is printable if that is a terminal, such
// as /dev/tty. done writes what is left of the text.
func printableOn(f *os.File) (w io.Writer, done func() error) {
	// A pipe must not be asked for its descriptor: that would end its deadlines.
	if info, err := f.Stat(); err != nil || info.Mode()&fs.ModeCharDevice == 0 || !isTerminal(f) {
		return f, func() error { return nil }
	}
	p := printable.NewWriter(f)
	return p, p.Close
}

// behind returns the stream behind a door, or w itself if it is not a door.
func behind(w io.Writer) io.Writer {
	if d, ok := w.(*door); ok {
		return d.w
	}
	return w
}

// styled returns the stream itself, for those who draw on a terminal or choose colours. All
// text that they write must be printable. TestDoor lists who may call it.
func styled(w io.Writer) io.Writer { return behind(w) }

// verbatim returns a writer for what other programs print, such as the ranks of a job: as it
// is to a file or a pipe, and printable on a terminal.
func verbatim(w io.Writer) io.Writer {
	if isTerminal(w) {
		return w
	}
	return behind(w)
}

// terminalOf returns the terminal that w writes to, and whether it is one.
func terminalOf(w io.Writer) (*os.File, bool) {
	f, ok := behind(w).(*os.File)
	return f, ok && term.IsTerminal(int(f.Fd()))
}

// isTerminal reports whether w is a terminal.
func isTerminal(w io.Writer) bool {
	_, is := terminalOf(w)
	return is
}
