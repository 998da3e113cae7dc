package sharedlib

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestCheckNotRegular: what is not a file is refused without opening it.
func TestCheckNotRegular(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "libpipe.so.1")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "liblink.so.1")
	if err := os.Symlink(pipe, link); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{pipe, link, dir, "/dev/zero"} {
		if err := Check(path); err == nil || !strings.Contains(err.Error(), path+" is not a regular file") {
			t.Errorf("%s: %v, want that it is not a regular file", path, err)
		}
	}
}

// TestCheckLeaves: of these the loader says what is wrong, if anything is.
func TestCheckLeaves(t *testing.T) {
	text := filepath.Join(t.TempDir(), "libtext.so")
	if err := os.WriteFile(text, []byte("not a library"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"libm.so.6", "/nonexistent/libm.so.6", text} {
		if err := Check(path); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
}
