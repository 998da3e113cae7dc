package main

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
)

// writeFile writes a file and creates its folder.
func writeFile(t testing.TB, path string, body []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, body, 0o644); err != nil {
		t.Fatal(err)
	}
}

// exists reports whether there is something at path.
func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// filesIn returns the contents of all files in a folder by their relative paths.
func filesIn(t testing.TB, folder string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(folder, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		body, err := os.ReadFile(path)
		name, _ := filepath.Rel(folder, path)
		files[filepath.ToSlash(name)] = string(body)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// sortedNames returns the names of files, sorted.
func sortedNames(files map[string]string) []string { return slices.Sorted(maps.Keys(files)) }

// TestPipeEnds: a signal ends a write to a pipe that nobody reads, before it is opened and
// when it is full.
func TestPipeEnds(t *testing.T) {
	t.Parallel()
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := writeWhole(ctx, pipe, func(io.Writer) error { t.Error("it was opened without a reader"); return nil })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("without a reader: %v", err)
	}
	reader, err := os.OpenFile(pipe, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	ctx, cancel = context.WithCancel(t.Context())
	err = writeWhole(ctx, pipe, func(w io.Writer) error {
		cancel()
		_, err := w.Write(make([]byte, 16<<20)) // more than a pipe holds
		return err
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("with a reader that reads nothing: %v", err)
	}
	if err := writeWhole(t.Context(), pipe, func(io.Writer) error { return nil }); err != nil {
		t.Errorf("with a reader: %v", err)
	}
}
