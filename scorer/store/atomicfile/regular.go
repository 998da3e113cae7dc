package atomicfile

import (
	"errors"
	"os"
	"syscall"
)

// OpenRegular opens a file for reading. If its name leads to anything else, such as a pipe, a
// device or a folder, that is ErrIrregular, at once: os.Open would wait for a pipe to be written
// to. It suits names that somebody else may have chosen, such as those of files next to another.
func OpenRegular(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	return regular(f, path, err)
}

// OpenRegularIn is OpenRegular for a file in a folder, out of which no link leads.
func OpenRegularIn(folder *os.Root, name string) (*os.File, error) {
	f, err := folder.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	return regular(f, name, err)
}

// ErrIrregular means that a name does not lead to a regular file.
var ErrIrregular = errors.New("not a regular file")

func regular(f *os.File, path string, err error) (*os.File, error) {
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &os.PathError{Op: "open", Path: path, Err: ErrIrregular}
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return f, nil
}
