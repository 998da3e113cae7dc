// Package shellquote writes words as a POSIX shell reads them. Launchers build
// scripts with it, and messages suggest commands to type with it, so every
// package may import it; it imports nothing of the project itself.
package shellquote

import (
	"fmt"
	"regexp"
	"strings"
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
// for a flag nor spread over lines.
func Path(s string) string {
	if strings.HasPrefix(s, "-") {
		s = "./" + s
	}
	control := func(r rune) bool { return r < ' ' || r == 0x7f }
	if !strings.ContainsFunc(s, control) || strings.HasSuffix(s, "\n") { // $() drops the last line breaks
		return Quote(s)
	}
	var b strings.Builder
	for _, c := range []byte(s) {
		if control(rune(c)) || strings.IndexByte(`\%'`, c) >= 0 {
			fmt.Fprintf(&b, `\%03o`, c)
			continue
		}
		b.WriteByte(c)
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
