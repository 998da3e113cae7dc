package atomicfile

import (
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// Folder is a folder in which files are written, under names without a slash.
type Folder struct {
	path   string
	root   *os.Root               // nil if every call finds the folder by its path
	random func() uint64          // of the names of temporary files
	sync   func(f *os.File) error // of files, and of the folder itself
	clock  func(created *os.File) (time.Time, error)
}

// At is the folder at a path, which this user need not be allowed to read. Links in the
// path are followed by every call.
func At(path string) Folder {
	return Folder{path: path, random: rand.Uint64, sync: (*os.File).Sync, clock: timeOf}
}

// timeOf returns the time of a file. For a new one this is that of the clock of its file
// system: a server gives files the time of its own clock, from which this machine's may
// differ.
func timeOf(file *os.File) (time.Time, error) {
	info, err := file.Stat()
	if err != nil {
		return time.Time{}, err
	}
	return info.ModTime(), nil
}

// In is an open folder. It stays the same one if another gets its path. Closing root is
// the caller's.
func In(root *os.Root) Folder {
	f := At(root.Name())
	f.root = root
	return f
}

// WithSync returns the folder with another function in place of (*os.File).Sync, for its
// files and for itself. Tests count the calls.
func (f Folder) WithSync(sync func(f *os.File) error) Folder {
	f.sync = sync
	return f
}

// Path returns the path of a file, for messages.
func (f Folder) Path(base string) string { return filepath.Join(f.path, base) }

func (f Folder) open(base string, flags int, mode fs.FileMode) (*os.File, error) {
	if f.root != nil {
		return f.root.OpenFile(base, flags, mode)
	}
	return os.OpenFile(f.Path(base), flags, mode)
}

// Lstat describes what has a name, which may be a link.
func (f Folder) Lstat(base string) (fs.FileInfo, error) {
	if f.root != nil {
		return f.root.Lstat(base)
	}
	return os.Lstat(f.Path(base))
}

// Remove removes a name. Its error is of no interest where the name is a temporary one.
func (f Folder) Remove(base string) error {
	if f.root != nil {
		return f.root.Remove(base)
	}
	return os.Remove(f.Path(base))
}

// rename moves a file to another name, in place of what has that.
func (f Folder) rename(from, to string) error {
	if f.root != nil {
		return f.root.Rename(from, to)
	}
	return os.Rename(f.Path(from), f.Path(to))
}

func (f Folder) link(from, to string) error {
	if f.root != nil {
		return f.root.Link(from, to)
	}
	return os.Link(f.Path(from), f.Path(to))
}

// self opens the folder itself.
func (f Folder) self() (*os.File, error) { return f.open(".", os.O_RDONLY, 0) }

// ReadDir returns what is in the folder.
func (f Folder) ReadDir() ([]fs.DirEntry, error) {
	d, err := f.self()
	if err != nil {
		return nil, err
	}
	defer d.Close()
	return d.ReadDir(-1)
}

// Sync makes the names in the folder survive a crash. Some file systems have no such
// call, and need none.
func (f Folder) Sync() error {
	d, err := f.self()
	if err != nil {
		return err
	}
	defer d.Close()
	if err := f.sync(d); err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	return nil
}

// ErrNoExclusive means that a file system cannot give a file a name on condition
// that the name is free.
var ErrNoExclusive = errors.New("it has neither hard links nor an exclusive rename")

// LinkExclusive gives the file temp the name final as well, or moves it there, unless
// that name is taken: then it returns fs.ErrExist. Of any number of callers, on any
// number of machines, one succeeds. A file system that can do neither is ErrNoExclusive.
func (f Folder) LinkExclusive(temp, final string) error {
	err := f.link(temp, final)
	var no syscall.Errno
	if errors.As(err, &no) {
		switch no {
		case syscall.EPERM, syscall.EOPNOTSUPP, syscall.ENOSYS, syscall.EMLINK, syscall.EINVAL, syscall.EXDEV:
			return f.RenameExclusive(temp, final)
		}
	}
	return err
}
