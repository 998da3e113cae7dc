// Package shellquote writes words as a POSIX shell reads them. Launchers build
// scripts with it, and messages suggest commands to type with it, so every
// package may import it; it imports nothing of the project itself.
package shellquote

import (
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

// Join returns argv as a command line.
func Join(argv []string) string {
	words := make([]string, len(argv))
	for i, a := range argv {
		words[i] = Quote(a)
	}
	return strings.Join(words, " ")
}
