package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"strconv"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/batchscore/batchscore/scorer/telemetry/event"
	"github.com/batchscore/batchscore/scorer/telemetry/printable"
)

// logFormats of launch. JSON holds for the ranks, too.
var launchLogFormats = []string{"text", "json"}

// wantsJSON reports whether the log is to be JSON: for launch, or for the ranks, which then
// holds for both.
func (f *launchFlags) wantsJSON(cmd *cobra.Command, ranks string) (bool, error) {
	switch {
	case f.logFormat != "text" && f.logFormat != "json":
		return false, oneOf("log-format", f.logFormat, launchLogFormats)
	case f.logFormat == "json":
		return true, nil
	case ranks == "json" && !cmd.Flags().Changed("log-format"):
		return true, cmd.Flags().Set("log-format", "json") // for the last line
	}
	return false, nil
}

// logJSON has the launch write lines of JSON to standard error, its own and those of the ranks.
func (w *watched) logJSON(ctx context.Context) {
	w.stdout, w.stderr = inTurn(w.stdout, w.stderr)
	commanded := commandLogOf(ctx)
	log := zerolog.New(redacting(printable.NewWriter(w.stderr))).With().Timestamp().Str("launch", w.r.ID).Logger().Hook(commanded)
	w.log, w.joined = &log, commanded.SetJob
	commanded.lines.Store(&log)
}

// say tells what happens to the job.
func (w *watched) say(out io.Writer, kind *event.Kind, text string) {
	sayOf(w.log, out, kind, w.r.Engine, text)
}

// sayOf tells people what happens to a job on an engine, or the log if there is one.
func sayOf(log *zerolog.Logger, out io.Writer, kind *event.Kind, engine, text string) {
	if log == nil {
		printf(out, "batchscore: %s\n", text)
		return
	}
	kind.On(*log).Str("engine", engine).Msg(text)
}

// rankJSON passes on what ranks print, line by line: lines of their logs to log, without what
// engines put in front of them, and others to text, or if that is nil as lines of own.
type rankJSON struct {
	log, text io.Writer
	own       *zerolog.Logger
	rest      []byte
}

func (r *rankJSON) Write(p []byte) (int, error) {
	r.rest = append(r.rest, p...)
	for {
		line, rest, whole := bytes.Cut(r.rest, []byte("\n"))
		if !whole && len(line) < longestLine {
			return len(p), nil
		}
		if err := r.line(line); err != nil {
			return 0, err
		}
		r.rest = rest
	}
}

// close passes on a last line without an end.
func (r *rankJSON) close() error {
	if len(r.rest) == 0 {
		return nil
	}
	return r.line(r.rest)
}

func (r *rankJSON) line(line []byte) error {
	bare, rank := line, -1
	if m := rankPrefix.FindSubmatch(line); m != nil {
		bare = line[len(m[0]):]
		rank, _ = strconv.Atoi(string(bytes.Join(m[1:], nil))) // a number, as the form says
	}
	var err error
	switch {
	case bytes.HasPrefix(bare, []byte(`{"level":`)) && json.Valid(bare):
		_, err = io.WriteString(r.log, printable.Text(string(bare))+"\n")
	case r.text != nil:
		_, err = r.text.Write(append(bytes.Clone(line), '\n'))
	case len(bytes.TrimSpace(bare)) > 0:
		e := event.RankPrinted.On(*r.own)
		if rank >= 0 {
			e = e.Int("rank", rank)
		}
		e.Msg(string(bare))
	}
	return err
}
