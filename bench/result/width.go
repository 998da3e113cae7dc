package result

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Clip cuts a text to a number of characters.
func Clip(text string, width int) string {
	if width <= 0 || utf8.RuneCountInString(text) <= width {
		return text
	}
	return string([]rune(text)[:max(0, width-1)]) + "…"
}

// Wrap breaks a text into lines of at most width characters; 0 is no limit.
func Wrap(text string, width int) (lines []string) {
	if width <= 0 {
		return []string{text}
	}
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width {
			lines, line = append(lines, line), ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	for i, l := range append(lines, line) {
		lines = append(lines[:i], Clip(l, width))
	}
	return lines
}

// tooWide reports whether a line of a text has more than width characters; 0 is no
// limit.
func tooWide(text []byte, width int) bool {
	for line := range bytes.Lines(text) {
		if width > 0 && utf8.RuneCount(bytes.TrimRight(line, "\n")) > width {
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
		widest = max(widest, utf8.RuneCountInString(name))
	}
	for _, line := range lines[1:] {
		for i, cell := range line {
			name := ""
			if i < len(names) {
				name = names[i]
			}
			if _, err := fmt.Fprintln(out, Clip(fmt.Sprintf("%-*s  %s", widest, name, cell), width)); err != nil {
				return err
			}
		}
		if _, err := fmt.Fprintln(out); err != nil {
			return err
		}
	}
	return nil
}
