package device

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// longestText is the most characters of a text of the driver that are kept.
const longestText = 80

// Clean returns a text of the driver, such as a GPU's name, as one line that can be
// printed anywhere: what is not printable or not UTF-8 is replaced by U+FFFD, and what
// is beyond 80 characters is left out.
func Clean(text string) string {
	text = strings.Map(func(c rune) rune {
		if !unicode.IsPrint(c) { // of spaces, only U+0020 is
			return utf8.RuneError
		}
		return c
	}, strings.ToValidUTF8(text, "\ufffd"))
	if runes := []rune(text); len(runes) > longestText {
		text = string(runes[:longestText])
	}
	return text
}
