// Package atomicfile writes local files that appear under their names whole or
// not at all. The bytes go to a temporary file in the same folder, which is synced
// and then renamed or linked; then the folder is synced. It is a leaf: any package
// of the project that writes files may use it.
package atomicfile

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Write writes a file. It replaces a file of that name; its folder must exist.
// write is called once, and its writes are buffered. When Write returns nil, the
// file survives a crash of this machine. After an error, the old file or none is
// there, except that an error to sync the folder leaves the new one. Errors are
// those of write, or name path. A link is followed: the file that it leads to is
// written. Temporary files of that name that a killed process left behind are removed.
func Write(path string, mode fs.FileMode, write func(io.Writer) error) error {
	return put(path, mode, os.Rename, write)
}

// Create is Write for a file that must not exist yet: if it does, Create returns
// fs.ErrExist and changes nothing. A file system where that is not possible is
// ErrNoExclusive.
func Create(path string, mode fs.FileMode, write func(io.Writer) error) error {
	return put(path, mode, LinkExclusive, write)
}

func put(path string, mode fs.FileMode, name func(temp, final string) error, write func(io.Writer) error) error {
	path = Resolve(path)
	folder := filepath.Dir(path)
	begin := "." + filepath.Base(path) + "."
	removeAbandoned(folder, begin)
	t, err := NewTemp(folder, begin+"*"+tempEnd)
	if err != nil {
		return forFile(err, folder, path)
	}
	defer t.Remove()
	if err := t.Fill(mode, true, buffered(write)); err != nil {
		return forFile(err, t.Name(), path)
	}
	if err := name(t.Name(), path); err != nil {
		return forFile(err, t.Name(), path)
	}
	// A folder that this user may write to and not read cannot be synced.
	if err := SyncFolder(folder); err != nil && !errors.Is(err, fs.ErrPermission) {
		return forFile(err, folder, path)
	}
	return nil
}

const (
	// tempEnd ends the names of temporary files of put.
	tempEnd = ".tmp"
	// abandoned is how long nobody has written to a temporary file of a process that was
	// killed. It is longer than any pause of a store that does not answer.
	abandoned = 24 * time.Hour
)

// removeAbandoned removes temporary files of put in a folder whose names begin with begin
// and that nobody will finish. What cannot be removed stays.
func removeAbandoned(folder, begin string) {
	files, err := os.ReadDir(folder)
	if err != nil {
		return
	}
	for _, file := range files {
		rest, ok := strings.CutPrefix(file.Name(), begin)
		digits, isTemp := strings.CutSuffix(rest, tempEnd)
		if !ok || !isTemp || digits == "" || strings.Trim(digits, "0123456789") != "" {
			continue
		}
		if info, err := file.Info(); err == nil && info.Mode().IsRegular() && time.Since(info.ModTime()) > abandoned {
			os.Remove(filepath.Join(folder, file.Name()))
		}
	}
}

// mostLinks is how many links Resolve follows, as Linux does.
const mostLinks = 40

// Resolve returns the path of the file that a path leads to through links, even if there
// is no such file yet. What cannot be resolved is returned as it is.
func Resolve(path string) string {
	for range mostLinks {
		if resolved, err := filepath.EvalSymlinks(path); err == nil {
			return resolved
		}
		target, err := os.Readlink(path)
		switch {
		case err == nil && filepath.IsAbs(target):
			path = target
		case err == nil:
			path = filepath.Join(Resolve(filepath.Dir(path)), target)
		default:
			above := filepath.Dir(path)
			if above == path {
				return path
			}
			return filepath.Join(Resolve(above), filepath.Base(path))
		}
	}
	return path
}

func buffered(write func(io.Writer) error) func(io.Writer) error {
	return func(w io.Writer) error {
		b := bufio.NewWriterSize(w, 1<<20)
		if err := write(b); err != nil {
			return err
		}
		return b.Flush()
	}
}

// forFile turns an error about a path that begins with begin, such as a temporary
// file, into one about the file that is written.
func forFile(err error, begin, file string) error {
	var path *fs.PathError
	var link *os.LinkError
	switch {
	case errors.As(err, &path) && strings.HasPrefix(filepath.Clean(path.Path), filepath.Clean(begin)):
		err = path.Err
	case errors.As(err, &link):
		err = link.Err
	default:
		return err
	}
	return fmt.Errorf("write %s: %w", file, err)
}

// Temp is a temporary file that is to get another name in its folder. Write and
// Create suit most callers; Temp is for those that have more to do in between.
type Temp struct{ file *os.File }

// NewTemp creates a temporary file in a folder. Its name follows a pattern, as that of
// os.CreateTemp does.
func NewTemp(folder, pattern string) (*Temp, error) {
	f, err := os.CreateTemp(folder, pattern)
	if err != nil {
		return nil, err
	}
	return &Temp{f}, nil
}

// Name returns the path of the temporary file.
func (t *Temp) Name() string { return t.file.Name() }

// Fill lets write write the file, sets its mode, syncs it if it is to survive a
// crash, and closes it. It is called once.
func (t *Temp) Fill(mode fs.FileMode, sync bool, write func(io.Writer) error) error {
	err := write(t.file)
	if err == nil {
		err = t.setMode(mode)
	}
	if err == nil && sync {
		err = t.file.Sync()
	}
	return errors.Join(err, t.file.Close())
}

// setMode sets the mode unless the file has it. Some mounts refuse even to set it
// to what it is.
func (t *Temp) setMode(mode fs.FileMode) error {
	if info, err := t.file.Stat(); err == nil && info.Mode().Perm() == mode {
		return nil
	}
	return t.file.Chmod(mode)
}

// Remove removes the temporary name, which may be gone by now.
func (t *Temp) Remove() { os.Remove(t.file.Name()) }

// ErrNoExclusive means that a file system cannot give a file a name on condition
// that the name is free.
var ErrNoExclusive = errors.New("it has neither hard links nor an exclusive rename")

// LinkExclusive gives temp the name final as well, or moves it there, unless
// that name is taken: then it returns fs.ErrExist. Of any number of callers, on
// any number of machines, one succeeds. A file system that can do neither is
// ErrNoExclusive.
func LinkExclusive(temp, final string) error {
	err := os.Link(temp, final)
	var no syscall.Errno
	if errors.As(err, &no) {
		switch no {
		case syscall.EPERM, syscall.EOPNOTSUPP, syscall.ENOSYS, syscall.EMLINK, syscall.EINVAL, syscall.EXDEV:
			return RenameExclusive(temp, final)
		}
	}
	return err
}

// SyncFolder makes the names in a folder survive a crash. Some file systems have
// no such call, and need none.
func SyncFolder(folder string) error {
	d, err := os.Open(folder)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	return nil
}
