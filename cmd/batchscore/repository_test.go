package main

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// module is the import path of the project.
const module = "github.com/batchscore/batchscore"

// commandOutput runs a program in the repository's root and returns what it prints.
func commandOutput(t *testing.T, program string, args ...string) string {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Dir = filepath.Join("..", "..")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, stderr.String())
	}
	return string(out)
}

// trackedFiles lists the repository's files, relative to its root.
func trackedFiles(t *testing.T) []string {
	t.Helper()
	if _, err := os.Stat(filepath.Join("..", "..", ".git")); err != nil {
		skipWithout(t, "the git repository", "test in a clone, not in an export of it")
	}
	return strings.Split(strings.TrimSuffix(commandOutput(t, "git", "ls-files", "-z"), "\x00"), "\x00")
}

// packages maps every package of the project, by its path inside the module,
// to one list of import paths for each.
func packages(t *testing.T, field string) map[string][]string {
	t.Helper()
	m := map[string][]string{}
	format := "{{.ImportPath}}\t{{join ." + field + " \" \"}}"
	for line := range strings.Lines(commandOutput(t, "go", "list", "-f", format, "./...")) {
		path, imports, _ := strings.Cut(strings.TrimSpace(line), "\t")
		m[strings.TrimPrefix(strings.TrimPrefix(path, module), "/")] = strings.Fields(imports)
	}
	if len(m) < 5 {
		t.Fatalf("go list found %d packages, so this test would prove nothing", len(m))
	}
	return m
}

// under reports whether the import path is one of the given paths of the project
// (without the module's own) or of another module, or lies beneath one.
func under(path string, roots ...string) bool {
	path = strings.TrimPrefix(path, module+"/")
	return slices.ContainsFunc(roots, func(root string) bool {
		return path == root || strings.HasPrefix(path, root+"/")
	})
}

// sourceFile is a tracked file that people wrote.
type sourceFile struct {
	path string // relative to the repository's root, with slashes
	text string
}

// writtenFiles returns the tracked text files that people wrote: neither
// generated, nor data of tests or tools.
func writtenFiles(t *testing.T) []sourceFile {
	t.Helper()
	var files []sourceFile
	for _, path := range trackedFiles(t) {
		if !isWritten(path) {
			continue
		}
		body, err := os.ReadFile(filepath.Join("..", "..", filepath.FromSlash(path)))
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed in the working tree, not yet in the index
		}
		if err != nil {
			t.Fatal(err)
		}
		if text := string(body); !generated.MatchString(text) {
			files = append(files, sourceFile{path: path, text: text})
		}
	}
	if len(files) < 400 {
		t.Fatalf("%d files, so this test would prove nothing", len(files))
	}
	return files
}

// generated matches the line by which Go marks generated files.
var generated = regexp.MustCompile(`(?m)^// Code generated .* DO NOT EDIT\.$`)

// isWritten reports whether a path is one of source text or of a document.
func isWritten(path string) bool {
	if strings.Contains(path, "testdata/") {
		return false
	}
	switch filepath.Ext(path) {
	case ".go", ".c", ".h", ".sh", ".py", ".mjs", ".md", ".tmpl", ".yaml", ".yml", ".service", ".timer", ".env":
		return true
	}
	switch filepath.Base(path) {
	case "Makefile", "Dockerfile", "run":
		return true
	}
	return false
}
