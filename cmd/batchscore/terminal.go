package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"strings"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/term"

	"github.com/batchscore/batchscore/scorer/telemetry"
	"github.com/batchscore/batchscore/scorer/telemetry/columns"
	"github.com/batchscore/batchscore/scorer/telemetry/event"
	"github.com/batchscore/batchscore/scorer/telemetry/printable"
)

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

// console returns a writer that formats JSON log lines for people, printable but for its
// colours. On a terminal it wraps them at its width.
func console(w io.Writer, terminal bool) io.Writer {
	colour := terminal && !noColor()
	if terminal {
		w = toWidth(w, logIndent)
	}
	return zerolog.ConsoleWriter{Out: w, NoColor: !colour, FieldsExclude: forPrograms, FormatPrepare: printableEvent,
		FormatTimestamp: func(v any) string {
			text := fmt.Sprint(v)
			if t, err := time.Parse(time.RFC3339, text); err == nil {
				text = t.Local().Format(time.TimeOnly)
			}
			if colour {
				return dim + text + normal // zerolog's dark grey is the background of some terminals
			}
			return text
		}}
}

// forPrograms are fields that people are not shown: the message says the same to them, in fewer
// words, or one look at the screen does.
var forPrograms = []string{"passed_over", event.NameField, event.PersonField, "job", "launch", "trace_id", "span_id"}

// printableEvent makes a line of the log printable, but for fields that are a string: those
// are quoted where it is needed. Lines of a message below its first are indented, so that they
// do not look like lines of the log.
func printableEvent(event map[string]any) error {
	for name, value := range maps.Clone(event) {
		if shown := printable.Line(name); shown != name {
			delete(event, name)
			name = shown
			event[name] = value
		}
		switch value := value.(type) {
		case string:
			switch name {
			case zerolog.MessageFieldName:
				event[name] = strings.ReplaceAll(printable.Text(value), "\n", "\n"+strings.Repeat(" ", logIndent))
			case zerolog.TimestampFieldName, zerolog.LevelFieldName, zerolog.CallerFieldName:
				event[name] = printable.Line(value)
			}
		case json.Number:
		default:
			nested, err := json.Marshal(value)
			if err != nil {
				return err
			}
			event[name] = json.RawMessage(printable.Text(string(nested)))
		}
	}
	return nil
}

// logIndent is the width of the time that a line of the log begins with, and of its space.
const logIndent = len(time.TimeOnly) + 1

const (
	dim    = "\x1b[2m"
	normal = "\x1b[0m"
)

// toWidth returns a writer of lines, each of them in one Write, to standard error. It
// wraps them at spaces, to the width of the terminal, with an indent below the first.
func toWidth(w io.Writer, indent int) io.Writer {
	return wrapping{w, indent, func() int { width, _ := terminalSize(os.Stderr); return width }}
}

type wrapping struct {
	io.Writer
	indent int
	width  func() int
}

func (w wrapping) Write(p []byte) (int, error) {
	line := strings.TrimSuffix(string(p), "\n")
	if _, err := io.WriteString(w.Writer, strings.Join(columns.Hang(line, w.width(), w.indent), "\n")+"\n"); err != nil {
		return 0, err
	}
	return len(p), nil
}

// newBar returns a progress bar on w, labelled what, or nil if w is not a
// terminal or is too narrow for one.
func newBar(w io.Writer, what string) *telemetry.Bar {
	f, ok := terminalOf(w)
	if !ok {
		return nil
	}
	width := func() int { columns, _ := terminalSize(f); return columns }
	if width() < telemetry.BarWidth {
		return nil
	}
	return telemetry.NewBar(styled(w), what, width)
}
