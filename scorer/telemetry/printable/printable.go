// Package printable makes text from outside fit to be shown: names of files, records in an
// output folder, texts in a model, logs of ranks and answers of other programs. None of it
// may move the cursor, give the terminal a command, show text in another order, or look like
// a line or a column of its own.
//
//  1. Field is for one value in a line or a cell: it is quoted where that is needed.
//  2. Text is for a message, which may have lines and tabs.
//  3. Writer is for a whole stream, so that what was not treated by 1 or 2 does no harm either.
package printable

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// mostMarks is how many combining marks in a row are shown as they are. Languages use up to
// six; dozens of them cover the lines above and below.
const mostMarks = 8

// Field returns s, quoted as Go quotes strings if it has characters that are not printed,
// quotation marks, backslashes, or marks that change the text before it.
func Field(s string) string {
	if piled(s) {
		return strconv.QuoteToASCII(s)
	}
	q := strconv.Quote(s)
	if inner := q[1 : len(q)-1]; inner != s {
		return q
	}
	return s
}

// Text returns s with each character that is not printed as \u and its four hexadecimal
// digits, or twice that for one beyond U+FFFF. Line breaks and tabs stay. What is not UTF-8
// becomes U+FFFD. Text of valid JSON is valid JSON with the same meaning.
func Text(s string) string {
	if plain(s) {
		return s
	}
	var text strings.Builder
	marks := 0
	for i, c := range s { // c is U+FFFD for what is not UTF-8
		if unicode.Is(unicode.M, c) {
			marks++
		} else {
			marks = 0
		}
		switch {
		case c == '\r' && strings.HasPrefix(s[i:], "\r\n"):
			text.WriteByte('\r') // the end of a line, as Windows writes it
		case Hidden(c), marks > mostMarks:
			escape(&text, c)
		default:
			text.WriteRune(c)
		}
	}
	return text.String()
}

// Line is Text without line breaks and tabs: each becomes a space. It suits a message that
// must stay in its line.
func Line(s string) string {
	if strings.IndexFunc(s, breaks) >= 0 {
		s = strings.Join(strings.FieldsFunc(s, breaks), " ")
	}
	return Text(s)
}

func breaks(c rune) bool { return c == '\n' || c == '\r' || c == '\t' }

// Hidden reports whether a character is neither printed nor a line break or tab: controls,
// characters that change the direction of text or have no width, spaces other than U+0020,
// private and unassigned ones.
func Hidden(c rune) bool { return c != '\n' && c != '\t' && !strconv.IsPrint(c) }

// plain reports whether Text leaves s as it is.
func plain(s string) bool {
	ascii := true
	for i := range len(s) {
		if c := s[i]; c < ' ' && c != '\n' && c != '\t' || c == 0x7f {
			return false
		}
		ascii = ascii && s[i] < utf8.RuneSelf
	}
	return ascii || utf8.ValidString(s) && strings.IndexFunc(s, Hidden) < 0 && !piled(s)
}

// piled reports whether s begins with a combining mark or has more than mostMarks in a row.
func piled(s string) bool {
	marks := 0
	for i, c := range s {
		switch {
		case c < utf8.RuneSelf || !unicode.Is(unicode.M, c):
			marks = 0
		case i == 0:
			return true
		default:
			marks++
		}
		if marks > mostMarks {
			return true
		}
	}
	return false
}

func escape(text *strings.Builder, c rune) {
	if high, low := utf16.EncodeRune(c); c > 0xffff {
		fmt.Fprintf(text, `\u%04x\u%04x`, high, low)
		return
	}
	fmt.Fprintf(text, `\u%04x`, c)
}
