package export

import (
	"strings"
	"unicode/utf8"
)

// xmlValid replaces what a file in XML cannot hold with U+FFFD.
func xmlValid(s string) string {
	valid := func(r rune) bool {
		return r == '\t' || r == '\n' || r == '\r' || r >= ' ' && r <= 0xD7FF || r >= 0xE000 && r <= 0xFFFD || r >= 0x10000
	}
	s = validText(s)
	if strings.IndexFunc(s, func(r rune) bool { return !valid(r) }) < 0 {
		return s
	}
	return strings.Map(func(r rune) rune {
		if valid(r) {
			return r
		}
		return utf8.RuneError
	}, s)
}

var xmlEscapes = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&apos;", "\t", "&#9;", "\n", "&#10;", "\r", "&#13;")

// xmlText returns a text as an attribute or an element holds it. Line breaks are escaped,
// which readers of attributes take for spaces otherwise.
func xmlText(s string) string { return xmlEscapes.Replace(xmlValid(s)) }
