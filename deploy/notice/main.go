// Command notice writes NOTICE: what of others is linked into the program, and what is
// fetched for its users or put into its images, with the licences.
//
//	go run ./deploy/notice -o NOTICE
//
// It refuses a licence that it does not know or that asks for the source of the program.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

func main() {
	out := flag.String("o", "NOTICE", "`file` to write")
	flag.Parse()
	text, err := notice(context.Background())
	if err == nil {
		err = os.WriteFile(*out, []byte(text), 0o644)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "notice:", err)
		os.Exit(1)
	}
}

const head = `Notices of what batchscore contains of others, and of what is fetched for it
or put into its images. batchscore itself has the Apache License 2.0, see LICENSE.
Written by "make notice" from the licences of the modules; do not edit.
`

// notice returns the text of NOTICE.
func notice(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("go env: %w", err)
	}
	root := filepath.Dir(strings.TrimSpace(string(out)))
	parts, err := linked(ctx)
	if err != nil {
		return "", err
	}
	pinned, err := pins(filepath.Join(root, "deploy", "deps"))
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString(head)
	section(&b, "In the program")
	for _, p := range parts {
		fmt.Fprintf(&b, "%s  %s\n", p.name, strings.Join(p.licences, ", "))
	}
	section(&b, "Fetched, or put into images, and not in the program")
	if err := writeFetched(&b, pinned); err != nil {
		return "", err
	}
	section(&b, "Licences")
	writeTexts(&b, append(parts, onnxRuntime()))
	return b.String(), nil
}

func section(b *strings.Builder, title string) {
	fmt.Fprintf(b, "\n%s\n%s\n\n", title, strings.Repeat("=", len(title)))
}

// writeTexts writes each text once, below the names of the parts that have it.
func writeTexts(b *strings.Builder, parts []part) {
	names := map[string][]string{}
	var order []string
	for _, p := range parts {
		for _, text := range p.texts {
			if names[text] == nil {
				order = append(order, text)
			}
			names[text] = append(names[text], p.name)
		}
	}
	for i, text := range order {
		if i > 0 {
			fmt.Fprintf(b, "\n%s\n\n", strings.Repeat("-", 80))
		}
		fmt.Fprintf(b, "%s:\n\n%s\n", strings.Join(names[text], "\n"), text)
	}
}
