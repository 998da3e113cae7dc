package convert

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestReadImage: what is not a file, or larger than an image may be, is passed over without
// reading it.
func TestReadImage(t *testing.T) {
	dir := t.TempDir()
	small, large, pipe := filepath.Join(dir, "small.jpg"), filepath.Join(dir, "large.jpg"), filepath.Join(dir, "pipe.jpg")
	if err := os.WriteFile(small, []byte("12345678"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(large, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(large, 1<<40); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{small: "12345678", large: "", pipe: "", dir: ""} {
		if got, err := readImage(path, 8); err != nil || string(got) != want {
			t.Errorf("readImage(%s) = %q, %v; want %q", path, got, err, want)
		}
	}
	if got, err := readImage(small, 7); err != nil || got != nil {
		t.Errorf("readImage = %q, %v; want nothing of 8 bytes where 7 are allowed", got, err)
	}
	if _, err := readImage(filepath.Join(dir, "missing.jpg"), 8); err == nil {
		t.Error("readImage of a missing file gives no error")
	}
}
