// Package columns measures text in the columns of a terminal, and wraps, folds, shortens
// and pads it to a number of them. Some characters take two columns and some none, and
// escape sequences that choose colours and styles take none either.
package columns

import (
	"regexp"
	"strings"

	"github.com/rivo/uniseg"

	"github.com/batchscore/batchscore/scorer/telemetry/printable"
)

// escapes are the sequences that choose colours and styles.
var escapes = regexp.MustCompile(`\x1b\[[0-9;]*m`)

// Width returns how many columns a text takes.
func Width(s string) int {
	if strings.IndexByte(s, '\x1b') >= 0 {
		s = escapes.ReplaceAllString(s, "")
	}
	return uniseg.StringWidth(s)
}

// Wrap breaks a printable.Line between words into lines of at most width columns. A wider
// word has a line of its own. With a width of 0 the text is one line.
func Wrap(s string, width int) []string { return WrapMost(s, width, 0) }

// WrapMost is Wrap with a number of lines at most, the last of which has all that is
// left. With a most of 0 there may be any number.
func WrapMost(s string, width, most int) []string {
	s = printable.Line(s)
	if width == 0 {
		return []string{s}
	}
	return lines(strings.Fields(s), width, 0, most)
}

// Hang breaks a line at spaces, of which it keeps all others, into lines of at most width
// columns. Those below the first are indented. What is in quotes, such as an argument of a
// command to copy, is not broken if a line has room for it.
func Hang(s string, width, indent int) []string {
	return lines(joinQuoted(strings.Split(s, " "), width-indent), width, indent, 0)
}

// joinQuoted joins words that are in quotes together, if they take at most width columns.
func joinQuoted(words []string, width int) []string {
	var all []string
	for i := 0; i < len(words); {
		n := quoted(words[i:])
		if whole := strings.Join(words[i:i+n], " "); n > 1 && Width(whole) <= width {
			all, i = append(all, whole), i+n
			continue
		}
		all, i = append(all, words[i]), i+1
	}
	return all
}

// quoted returns how many words a quotation takes that begins in the first one: 1 if none
// does, or if it does not end. An apostrophe in a word begins none.
func quoted(words []string) int {
	at := strings.IndexAny(words[0], `"'`)
	if at < 0 || at > 0 && !strings.ContainsAny(words[0][at-1:at], "=(") {
		return 1
	}
	quote := words[0][at : at+1]
	if strings.Contains(words[0][at+1:], quote) {
		return 1
	}
	for i, word := range words[1:] {
		if strings.Contains(word, quote) {
			return i + 2
		}
	}
	return 1
}

// lines puts words into lines of at most width columns.
func lines(words []string, width, indent, most int) []string {
	if len(words) == 0 {
		return nil
	}
	var all []string
	line, used := words[0], Width(words[0])
	for i, word := range words[1:] {
		n := Width(word)
		switch {
		case used+1+n <= width:
			line, used = line+" "+word, used+1+n
		case len(all) == most-1:
			return append(all, line+" "+strings.Join(words[i+1:], " "))
		default:
			all = append(all, line)
			line, used = strings.Repeat(" ", indent)+word, indent+n
		}
	}
	return append(all, line)
}

// Fit is Wrap, with words that are wider than a line shortened.
func Fit(s string, width int) []string {
	all := Wrap(s, width)
	for i := range all {
		if width != 0 {
			all[i] = Shorten(all[i], max(width, 1))
		}
	}
	return all
}

// Fold breaks a text into pieces of at most width columns, wherever that is, and loses
// nothing. A character that is wider has a piece of its own.
func Fold(s string, width int) []string {
	if width == 0 || Width(s) <= width {
		return []string{s}
	}
	var all []string
	from, used, at := 0, 0, 0
	for _, c := range characters(s) {
		if used > 0 && used+c.width > width {
			all = append(all, s[from:at])
			from, used = at, 0
		}
		at += len(c.text)
		used += c.width
	}
	return append(all, s[from:])
}

// Ellipsis is where text was left out.
const Ellipsis = "…"

// Shorten returns a text in at most width columns: if it is wider, without its middle.
// The end of a name says more than its beginning and keeps twice as much.
func Shorten(s string, width int) string { return without(s, width, (width-1)/3) }

// Cut returns a text in at most width columns: if it is wider, without its end. With a
// width of 0 it is whole.
func Cut(s string, width int) string {
	if width == 0 {
		return s
	}
	return without(s, width, width-1)
}

// without returns a text in at most width columns. If it is wider, head of them are for
// its beginning and the rest for its end.
func without(s string, width, head int) string {
	if len(s) <= width || Width(s) <= width { // no character has more columns than bytes
		return s
	}
	if width < 1 {
		return ""
	}
	tail := width - 1 - head
	all := characters(s)
	from, to := 0, len(all)
	var first, last strings.Builder
	for ; from < to && all[from].width <= head; from++ {
		head -= all[from].width
		first.WriteString(all[from].text)
	}
	for ; to > from && tail > 0 && all[to-1].width <= tail; to-- {
		tail -= all[to-1].width
	}
	for _, c := range all[to:] {
		last.WriteString(c.text)
	}
	return first.String() + Ellipsis + last.String()
}

// character is what a reader takes for one: several code points, or an escape sequence.
type character struct {
	text  string
	width int
}

func characters(s string) []character {
	var all []character
	for rest, state := s, -1; rest != ""; {
		if rest[0] == '\x1b' {
			if at := escapes.FindStringIndex(rest); at != nil && at[0] == 0 {
				all = append(all, character{text: rest[:at[1]]})
				rest, state = rest[at[1]:], -1
				continue
			}
		}
		var c character
		c.text, rest, c.width, state = uniseg.FirstGraphemeClusterInString(rest, state)
		all = append(all, c)
	}
	return all
}

// Pad returns a text with spaces behind it, up to this many columns.
func Pad(s string, width int) string { return s + spaces(s, width) }

// PadLeft returns a text with spaces before it, up to this many columns.
func PadLeft(s string, width int) string { return spaces(s, width) + s }

func spaces(s string, width int) string { return strings.Repeat(" ", max(width-Width(s), 0)) }

// Table returns lines of cells in columns, two apart, each a printable.Line. right says which columns are
// aligned to the right; nil is none. The last cell of a line may be wider than its column.
func Table(rows [][]string, right func(column int) bool) []string {
	var widths []int
	for _, row := range rows {
		for i := range row {
			row[i] = printable.Line(row[i])
			cell := row[i]
			if i == len(widths) {
				widths = append(widths, 0)
			}
			if i < len(row)-1 || right != nil && right(i) {
				widths[i] = max(widths[i], Width(cell))
			}
		}
	}
	all := make([]string, len(rows))
	for n, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			if i > 0 {
				line.WriteString("  ")
			}
			if right != nil && right(i) {
				line.WriteString(PadLeft(cell, widths[i]))
			} else {
				line.WriteString(Pad(cell, widths[i]))
			}
		}
		all[n] = strings.TrimRight(line.String(), " ")
	}
	return all
}
