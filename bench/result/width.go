package result

import (
	"bytes"
	"fmt"
	"io"

	"github.com/batchscore/batchscore/scorer/telemetry/columns"
)

// tooWide reports whether a line of a text has more than width characters; 0 is no
// limit.
func tooWide(text []byte, width int) bool {
	for line := range bytes.Lines(text) {
		if width > 0 && columns.Width(string(bytes.TrimRight(line, "\n"))) > width {
			return true
		}
	}
	return false
}

// blocks prints a table with a block of lines for each of its rows, for terminals that
// are too narrow for it. The first line of the table has the names of the columns.
func blocks(out io.Writer, lines [][]string, width int) error {
	names, widest := lines[0], 0
	for _, name := range names {
		widest = max(widest, columns.Width(name))
	}
	for _, line := range lines[1:] {
		for i, cell := range line {
			name := ""
			if i < len(names) {
				name = names[i]
			}
			if _, err := fmt.Fprintln(out, columns.Cut(columns.Pad(name, widest)+"  "+cell, width)); err != nil {
				return err
			}
		}
		if _, err := fmt.Fprintln(out); err != nil {
			return err
		}
	}
	return nil
}
