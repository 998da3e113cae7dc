package main

import (
	"io"
	"os"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/batchscore/batchscore/scorer/telemetry"
)

// logFlags choose how the log looks.
type logFlags struct {
	format, level string
}

func (f *logFlags) register(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.format, "log-format", "auto", "auto, json or text; auto is text on a terminal and JSON elsewhere")
	cmd.Flags().StringVar(&f.level, "log-level", "info", "debug, info, warn or error")
}

// logger writes to w.
func (f *logFlags) logger(w io.Writer, terminal bool) (zerolog.Logger, error) {
	level, err := zerolog.ParseLevel(f.level)
	if err != nil || f.level == "" {
		return zerolog.Nop(), usagef("--log-level %q is none of debug, info, warn, error", f.level)
	}
	switch f.format {
	case "json":
	case "text":
		w = console(w, terminal)
	case "auto":
		if terminal {
			w = console(w, terminal)
		}
	default:
		return zerolog.Nop(), usagef("--log-format %q is none of auto, json, text", f.format)
	}
	return zerolog.New(w).Level(level).With().Timestamp().Logger(), nil
}

func console(w io.Writer, terminal bool) io.Writer {
	return zerolog.ConsoleWriter{Out: w, NoColor: !terminal || noColor(), TimeFormat: time.TimeOnly}
}

// noColor follows https://no-color.org: any value but the empty one counts.
func noColor() bool { return os.Getenv("NO_COLOR") != "" }

// newBar is a progress bar on w for what is done, or nil where w is no terminal
// or too narrow a one.
func newBar(w io.Writer, what string) *telemetry.Bar {
	f, ok := w.(*os.File)
	if !ok || !isTerminal(f) {
		return nil
	}
	width := func() int { columns, _ := sizeOf(f); return columns }
	if width() < telemetry.BarWidth {
		return nil
	}
	return telemetry.NewBar(f, what, width, !noColor())
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
