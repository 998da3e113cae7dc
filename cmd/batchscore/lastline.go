package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/batchscore/batchscore/deploy"
	"github.com/batchscore/batchscore/scorer/telemetry"
	"github.com/batchscore/batchscore/scorer/telemetry/event"
	"github.com/batchscore/batchscore/scorer/telemetry/printable"
)

// commandLog is the log of a command. Its scope has every line name the job, and its last
// line says how the command ended. The zero value is one that has not begun.
type commandLog struct {
	event.Scope
	started time.Time
	lines   atomic.Pointer[zerolog.Logger] // in JSON; nil for none
}

type commandLogKey struct{}

// withCommandLog returns a context that holds a log for one command.
func withCommandLog(ctx context.Context) context.Context {
	return context.WithValue(ctx, commandLogKey{}, &commandLog{started: time.Now()})
}

// commandLogOf returns the log that a context holds, or a new one.
func commandLogOf(ctx context.Context) *commandLog {
	if ctx != nil {
		if l, ok := ctx.Value(commandLogKey{}).(*commandLog); ok {
			return l
		}
	}
	return &commandLog{started: time.Now()}
}

// begin returns log with what every line of this command has: the launch that started it,
// if one did, and the job. A log in JSON gets the last line, too.
func (l *commandLog) begin(log zerolog.Logger, inJSON bool) zerolog.Logger {
	if id := os.Getenv(deploy.JobVariable); id != "" {
		log = log.With().Str("launch", id).Logger()
	}
	log = log.Hook(l)
	if inJSON {
		l.lines.Store(&log)
	}
	return log
}

// whys are what the exit codes mean, for programs.
var whys = map[int]string{
	0: "complete", 1: "fatal_error", 3: "too_many_failed", 4: "images_drifted", 6: "stopped_too_many_failed",
	7: "not_good_enough", 10: "output_damaged", 11: "other_job",
	64: "wrong_usage", 75: "try_again", 78: "wrong_configuration", 130: "interrupted", 143: "stopped",
}

// endLevel returns the level of the last line: only an error needs a person.
func endLevel(code int) zerolog.Level {
	switch code {
	case 0:
		return zerolog.InfoLevel
	case 75, 130, 143: // the same command continues
		return zerolog.WarnLevel
	}
	return zerolog.ErrorLevel
}

// end writes the last line to log, with the first line of the text that says why, if there is
// one.
func (l *commandLog) end(log zerolog.Logger, cmd *cobra.Command, code int, why, message string) {
	if code != 0 {
		log = log.Level(zerolog.TraceLevel) // it is written whatever --log-level says
	}
	e := event.RunEnded.At(log, endLevel(code)).Int("exit_code", code).Float64("took_s", telemetry.Seconds(time.Since(l.started))).
		Str("command", strings.TrimPrefix(cmd.CommandPath(), cmd.Root().Name()+" "))
	if meaning := whys[code]; meaning != "" {
		e = e.Str("why", meaning)
	}
	if why != "" {
		e = e.Str("error", firstLine(why))
	}
	e.Msg(message)
}

// endedMessage is what the last line says for people who read why elsewhere.
func endedMessage(code int) string { return fmt.Sprintf("ended with exit code %d", code) }

// endWell writes the last line of a command that did what it was for, if its log is in JSON.
func (l *commandLog) endWell(cmd *cobra.Command) {
	if log := l.lines.Load(); log != nil {
		l.end(*log, cmd, 0, "", endedMessage(0))
	}
}

// endBadly says why a command ends with that code: as a line of its log if JSON was asked for,
// and returns true then; else for people. Nobody reads the same error twice.
func (l *commandLog) endBadly(stderr io.Writer, cmd *cobra.Command, code int, text string) bool {
	log := l.lines.Load()
	if logsJSON(cmd) {
		if log == nil { // it had not begun
			fresh := zerolog.New(printable.NewWriter(stderr)).With().Timestamp().Logger()
			log = &fresh
		}
		l.end(*log, cmd, code, text, text)
		return true
	}
	sayError(stderr, text)
	return false
}
