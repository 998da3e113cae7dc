package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// asker returns a function that asks a question on the terminal, and reports whether
// the answer is yes. It returns nil if stdin or stderr is no terminal.
func asker(stdin io.Reader, stderr io.Writer) func(question string) bool {
	in, ok := stdin.(*os.File)
	if !ok || !term.IsTerminal(int(in.Fd())) || !isTerminal(stderr) {
		return nil
	}
	return func(question string) bool {
		fmt.Fprintf(stderr, "%s [y/N] ", question)
		answer, err := bufio.NewReader(in).ReadString('\n')
		if err != nil {
			fmt.Fprintln(stderr)
		}
		answer = strings.ToLower(strings.TrimSpace(answer))
		return answer == "y" || answer == "yes"
	}
}
