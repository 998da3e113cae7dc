package scratch

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/scorer/store"
)

func TestFileHasNoName(t *testing.T) {
	folder := t.TempDir()
	t.Setenv("TMPDIR", folder)
	s, err := open()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := io.WriteString(s, "some text"); err != nil {
		t.Fatal(err)
	}
	var four [4]byte
	if _, err := s.ReadAt(four[:], 5); err != nil || string(four[:]) != "text" {
		t.Errorf("ReadAt = %q, %v; want %q", four, err, "text")
	}
	if _, err := s.ReadAt(four[:], 7); err != io.EOF {
		t.Errorf("ReadAt beyond the end = %v, want %v", err, io.EOF)
	}
	left, err := os.ReadDir(folder)
	if err != nil || len(left) != 0 {
		t.Errorf("the folder holds %v, %v; want nothing", left, err)
	}
}

func TestFolderIsMissing(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "missing")
	t.Setenv("TMPDIR", folder)
	_, err := open()
	if !errors.Is(err, store.ErrUnavailable) || errors.Is(err, store.ErrNotExist) {
		t.Errorf("open = %v, want ErrUnavailable", err)
	}
	if err == nil || !strings.Contains(err.Error(), folder) || !strings.Contains(err.Error(), "TMPDIR") {
		t.Errorf("open = %v, want the folder and TMPDIR in the message", err)
	}
}

func TestDiskIsFull(t *testing.T) {
	f, err := os.OpenFile("/dev/full", os.O_RDWR, 0)
	if err != nil {
		t.Skip("there is no /dev/full: ", err)
	}
	s := file{f}
	defer s.Close()
	_, err = s.Write(make([]byte, 1234))
	if !errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), "1234 bytes") {
		t.Errorf("Write = %v, want ErrUnavailable that names 1234 bytes", err)
	}
}
