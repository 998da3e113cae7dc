package main

import (
	"bufio"
	"errors"
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
		printf(stderr, "%s [y/N] ", question)
		answer, err := bufio.NewReader(in).ReadString('\n')
		if err != nil {
			fmt.Fprintln(stderr)
		}
		answer = strings.ToLower(strings.TrimSpace(answer))
		return answer == "y" || answer == "yes"
	}
}

// consent is how a user agrees to what a command does not do unasked.
type consent struct {
	given bool // with a flag, or on the terminal before
	// ask asks the user; nil if there is nobody to ask.
	ask func(question string) bool
}

// to returns nil if the user agrees, and else an error with the problem and what to do
// instead.
func (c *consent) to(problem, question, instead string) error {
	if !c.given && (c.ask == nil || !c.ask(problem+". "+question)) {
		return config(errors.New(problem + ": " + instead))
	}
	c.given = true
	return nil
}

// toReplace returns nil if the user agrees to replace a file that holds something else.
func (c *consent) toReplace(file string) error {
	return c.to(file+" exists already and holds something else", "Replace it?", "give another name, or add --force to replace it")
}
