package atomicfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestIrregular: what is not a regular file is neither replaced nor opened.
func TestIrregular(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Write(pipe, 0o666, text("x")); !errors.Is(err, ErrNotRegular) {
		t.Errorf("Write: %v, want ErrNotRegular", err)
	}
	if info, err := os.Lstat(pipe); err != nil || info.Mode()&fs.ModeNamedPipe == 0 {
		t.Errorf("the pipe was replaced: %v, %v", info, err)
	}
	for _, path := range []string{pipe, filepath.Dir(pipe), os.DevNull} {
		if f, err := OpenRegular(path); !errors.Is(err, ErrIrregular) {
			t.Errorf("OpenRegular(%s) = %v, %v, want ErrIrregular", path, f, err)
		}
	}
}
