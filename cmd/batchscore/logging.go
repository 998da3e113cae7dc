package main

import (
	"io"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/batchscore/batchscore/scorer/telemetry/printable"
)

// logFlags choose the format and level of the log.
type logFlags struct {
	format, level string
}

func (f *logFlags) register(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.format, "log-format", "auto", "log as `FORMAT`: text, json, or auto: text on a terminal, else JSON")
	cmd.Flags().StringVar(&f.level, "log-level", "info", "log messages from `LEVEL` upwards: "+orList(logLevels))
	chooseOne(cmd, "log-format", logFormats)
	chooseOne(cmd, "log-level", logLevels)
}

// The values of the flags.
var (
	logFormats = []string{"auto", "json", "text"}
	logLevels  = []string{"debug", "info", "warn", "error"}
)

// json reports whether the log is lines of JSON.
func (f *logFlags) json(terminal bool) bool {
	return f.format == "json" || f.format == "auto" && !terminal
}

// logger returns a log that writes to w, printable in each format.
func (f *logFlags) logger(w io.Writer, terminal bool) (zerolog.Logger, error) {
	level, err := zerolog.ParseLevel(f.level)
	if err != nil || f.level == "" {
		return zerolog.Nop(), oneOf("log-level", f.level, logLevels)
	}
	switch f.format {
	case "json":
		w = printable.NewWriter(w)
	case "text":
		w = console(w, terminal)
	case "auto":
		if terminal {
			w = console(w, terminal)
		} else {
			w = printable.NewWriter(w)
		}
	default:
		return zerolog.Nop(), oneOf("log-format", f.format, logFormats)
	}
	return zerolog.New(redacting(w)).Level(level).With().Timestamp().Logger(), nil
}

// warningLog returns a log for commands that print figures: it shows warnings and
// errors only.
func warningLog(stderr io.Writer) zerolog.Logger {
	terminal := isTerminal(stderr)
	return zerolog.New(redacting(console(styled(stderr), terminal))).Level(zerolog.WarnLevel).With().Timestamp().Logger()
}
