package main

import (
	"io"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"
)

// logFlags choose the format and level of the log.
type logFlags struct {
	format, level string
}

func (f *logFlags) register(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.format, "log-format", "auto", "auto, json or text; auto is text on a terminal and JSON elsewhere")
	cmd.Flags().StringVar(&f.level, "log-level", "info", "debug, info, warn or error")
}

// logger returns a log that writes to w.
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

// warningLog returns a log for commands that print figures: it shows warnings and
// errors only.
func warningLog(stderr io.Writer) zerolog.Logger {
	terminal := isTerminal(stderr)
	return zerolog.New(console(stderr, terminal)).Level(zerolog.WarnLevel).With().Timestamp().Logger()
}
