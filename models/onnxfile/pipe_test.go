package onnxfile

import (
	"crypto/sha256"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestWeightsInAPipe plants a pipe where the weights of a model should be: that is an
// error, and nobody waits for the pipe's writer.
func TestWeightsInAPipe(t *testing.T) {
	folder := t.TempDir()
	if err := syscall.Mkfifo(filepath.Join(folder, "weights"), 0o600); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(folder)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	done := make(chan error, 1)
	go func() {
		_, err := copyWeights(io.MultiWriter(sha256.New()), root, "weights", 1)
		done <- err
	}()
	select {
	case err := <-done:
		if !errors.Is(err, ErrUnusable) || !strings.Contains(err.Error(), "is not a file") {
			t.Errorf("got %v, want an error that says that it is not a file", err)
		}
	case <-time.After(time.Minute):
		t.Fatal("it waits for the pipe's writer")
	}
}
