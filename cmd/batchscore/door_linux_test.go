package main

import (
	"io"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/bench/result"
	"github.com/batchscore/batchscore/scorer/telemetry/printable"
)

// TestDoorOfFiles: what is written to a terminal under its name, such as /dev/tty, is printable.
func TestDoorOfFiles(t *testing.T) {
	t.Parallel()
	const hostile = "\x1b]52;c;UFdORUQ=\x07 \u009b31m \u202e a\r"
	for name, write := range map[string]func(file string) error{
		"writeWhole": func(file string) error { return writeBytes(t.Context(), file, []byte(hostile)) },
		"merge -o": func(file string) error {
			return localFile(file).create(t.Context(), func(w io.Writer) error { _, err := io.WriteString(w, hostile); return err })
		},
		"bench --save": func(file string) error {
			return result.Append(file, result.Run{Samples: []result.Sample{
				{Name: "A", Keys: []result.Key{{Name: "model", Value: hostile}}, Values: []result.Value{{Value: 1, Unit: "s"}}},
			}})
		},
	} {
		terminal, end := pseudoTerminal(t)
		err := write(terminal.Name())
		got := end()
		if err != nil || !strings.Contains(got, "UFdORUQ=") || strings.ContainsFunc(got, printable.Hidden) {
			t.Errorf("%s: the terminal has %q, %v", name, got, err)
		}
	}
}
