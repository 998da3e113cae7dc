package main

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/batchscore/batchscore/scorer/telemetry/printable"
)

// TestDoor: nobody in this package goes around the door, but for those who draw or choose
// colours and make each text printable themselves.
func TestDoor(t *testing.T) {
	t.Parallel()
	around := regexp.MustCompile(`\b(os\.Std(?:out|err)|styled|behind|verbatim|terminalOf|fmt\.Print\w*|println)\b`)
	allowed := map[string][]string{
		"main.go":          {"os.Stdout", "os.Stderr"},            // gives them to Main
		"terminal.go":      {"os.Stderr", "terminalOf", "styled"}, // the size of the terminal; the progress bar is a telemetry.Line
		"help.go":          {"os.Stdout"},                         // the size of the terminal
		"logging.go":       {"styled"},                            // printableEvent
		"run.go":           {"styled"},                            // likewise
		"plan.go":          {"styled"},                            // likewise
		"gpu_check.go":     {"styled"},                            // gpucheck.Screen; IDs of claims
		"jobs_screen.go":   {"terminalOf"},                        // report.lines
		"launch_view.go":   {"terminalOf", "verbatim"},            // a telemetry.Line; rankLines
		"jobs.go":          {"verbatim"},                          // logs of ranks
		"bench_compare.go": {"terminalOf"},                        // the width
		"door.go":          {"behind", "styled", "verbatim", "terminalOf"},
	}
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) < 100 {
		t.Fatal(len(files), err)
	}
	for _, file := range files {
		body, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		for line := range strings.Lines(string(body)) {
			code, _, _ := strings.Cut(line, "//")
			for _, name := range around.FindAllString(code, -1) {
				if !slices.Contains(allowed[file], name) {
					t.Errorf("%s goes around the door with %s: %s", file, name, line)
				}
			}
		}
	}
}

// TestDoorOfMessages: what is written to standard error is printable, data in a file or a pipe
// is as it was.
func TestDoorOfMessages(t *testing.T) {
	t.Parallel()
	const hostile = "\x1b]0;PWNED\x07 \u009b31m \u202e \r"
	var stdout, stderr bytes.Buffer
	out, err, closeDoors := openDoors(&stdout, &stderr)
	for _, w := range []io.Writer{out, err} {
		if _, err := io.WriteString(w, hostile); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := io.WriteString(verbatim(err), hostile); err != nil {
		t.Fatal(err)
	}
	closeDoors()
	if got := stdout.String(); got != hostile {
		t.Errorf("standard output has %q, want %q", got, hostile)
	}
	// The last carriage return comes when the door is closed.
	shown := printable.Text(hostile)
	if got, want := stderr.String(), strings.TrimSuffix(shown, `\u000d`)+hostile+`\u000d`; got != want {
		t.Errorf("standard error has %q, want %q", got, want)
	}
}

// TestLogIsPrintable: no format of the log has escape sequences of others, and a message has
// no line that looks like another one of the log.
func TestLogIsPrintable(t *testing.T) {
	t.Parallel()
	const hostile = "\x1b]0;PWNED\x07\u009b31m\u202e\n12:00:00 INF all is well"
	for _, format := range []string{"json", "text"} {
		for _, terminal := range []bool{false, true} {
			var out bytes.Buffer
			f := logFlags{format: format, level: "info"}
			log, err := f.logger(&out, terminal)
			if err != nil {
				t.Fatal(err)
			}
			log.Error().Str("s", hostile).Str(hostile, "v").Strs("list", []string{hostile}).Interface("map", map[string]string{hostile: hostile}).
				Err(os.ErrNotExist).AnErr("e", &os.PathError{Op: hostile, Path: hostile, Err: os.ErrNotExist}).Msg(hostile)
			text := out.String()
			if terminal {
				text = regexp.MustCompile(`\x1b\[\d+m`).ReplaceAllString(text, "")
			}
			if strings.ContainsFunc(text, printable.Hidden) || strings.Contains(text, "\n12:00:00 INF all") {
				t.Errorf("%s, terminal %v: got %q", format, terminal, text)
			}
			var fields map[string]any
			if format == "json" && (json.Unmarshal([]byte(text), &fields) != nil || fields[zerolog.MessageFieldName] != hostile) {
				t.Errorf("got %s, want JSON with the message", text)
			}
		}
	}
}
