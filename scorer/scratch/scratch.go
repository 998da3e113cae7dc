// Package scratch stores a manifest that is too large for memory in a temporary
// file.
package scratch

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/shard"
)

// Memory is how many bytes of a manifest, also while it is being sorted, are kept in
// memory: the names of some 300,000 images.
const Memory = 32 << 20

// Room returns room for a manifest of any size.
func Room() shard.Room { return shard.Room{Memory: Memory, Scratch: open} }

// file is a temporary file without a name. The system removes it when the process
// that opened it ends, however it ends.
type file struct{ f *os.File }

// open creates a file in the folder for temporary files (TMPDIR). Its errors, and
// those of the file, wrap store.ErrUnavailable.
func open() (shard.Scratch, error) {
	f, err := os.CreateTemp("", "batchscore-")
	if err != nil {
		return nil, failed("create", err)
	}
	if err := os.Remove(f.Name()); err != nil {
		_ = f.Close()
		return nil, failed("unlink", err)
	}
	return file{f}, nil
}

func (s file) Write(p []byte) (int, error) {
	n, err := s.f.Write(p)
	if err != nil {
		err = failed(fmt.Sprintf("write %d bytes to", len(p)), err)
	}
	return n, err
}

func (s file) ReadAt(p []byte, offset int64) (int, error) {
	n, err := s.f.ReadAt(p, offset)
	if err != nil && err != io.EOF {
		err = failed("read", err)
	}
	return n, err
}

func (s file) Close() error { return s.f.Close() }

func failed(doing string, err error) error {
	var path *os.PathError
	if errors.As(err, &path) {
		err = path.Err
	}
	return fmt.Errorf("%w: %s a temporary file in %s: %w; let TMPDIR name a folder with room for the list of images",
		store.ErrUnavailable, doing, os.TempDir(), err)
}
