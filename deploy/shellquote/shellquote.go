// Package shellquote writes words as a POSIX shell reads them. Launchers build
// scripts with it, and messages suggest commands to type with it, so every
// package may import it; it imports nothing of the project itself.
package shellquote

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

// safe matches text that a shell takes as one literal word.
var safe = regexp.MustCompile(`^[A-Za-z0-9_@%+=:,./-]+$`)

// Quote returns s as one word of a command line, quoted only where it must be.
func Quote(s string) string {
	if safe.MatchString(s) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// Path returns a path or a place as one argument of a command line, which is neither taken
// for a flag nor spread over lines, and has only characters that are printed.
func Path(s string) string {
	if strings.HasPrefix(s, "-") {
		s = "./" + s
	}
	hidden := func(r rune) bool { return !strconv.IsPrint(r) }
	if utf8.ValidString(s) && !strings.ContainsFunc(s, hidden) || strings.HasSuffix(s, "\n") { // $() drops the last line breaks
		return Quote(s)
	}
	var b strings.Builder
	for rest := s; rest != ""; {
		r, n := utf8.DecodeRuneInString(rest)
		if hidden(r) || r == utf8.RuneError && n == 1 || strings.ContainsRune(`\%'`, r) {
			for _, c := range []byte(rest[:n]) {
				fmt.Fprintf(&b, `\%03o`, c)
			}
		} else {
			b.WriteString(rest[:n])
		}
		rest = rest[n:]
	}
	return `"$(printf '` + b.String() + `')"`
}

// Join returns argv as a command line.
func Join(argv []string) string {
	words := make([]string, len(argv))
	for i, a := range argv {
		words[i] = Quote(a)
	}
	return strings.Join(words, " ")
}
