// Package atomicfile writes local files that appear under their names whole or
// not at all. The bytes go to a temporary file in the same folder, which is synced
// and then renamed or linked; then the folder is synced. It is a leaf: any package
// of the project that writes files may use it.
//
// # Modes
//
// A new file has the mode that the caller gives, less the umask, as every new file
// of the system. A file that replaces another one keeps the mode and the group of
// that, and belongs to whoever wrote it. If the other one belonged to somebody else,
// its mode counts only as far as the umask allows: otherwise another user could decide
// in advance who may read what this one will write.
//
// # Folders of several users
//
// Others may write to the folder too, and put anything under any name. The temporary
// file has a name that nobody can guess, and is created only if nothing has that name.
// Its content and mode go to the open file. Nothing is opened by its final name.
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
	"time"
)

// Write writes a file. It replaces a file of that name; its folder must exist.
// mode is that of a new file, less the umask. write is called once, and its writes
// are buffered. When Write returns nil, the file survives a crash of this machine.
// After an error, the old file or none is there, except that an error to sync the
// folder leaves the new one. Errors are those of write, or name path. A link is
// followed: the file that it leads to is written. Temporary files of that name that a
// killed process left behind are removed. A device, a pipe or a socket is not replaced, but
// ErrNotRegular.
func Write(path string, mode fs.FileMode, write func(io.Writer) error) error {
	folder, base := split(path)
	if info, err := folder.Lstat(base); err == nil && !info.Mode().IsRegular() && !info.IsDir() {
		return fmt.Errorf("write %s: %w", folder.Path(base), ErrNotRegular)
	}
	return folder.put(base, mode, true, write)
}

// Create is Write for a file that must not exist yet: if it does, Create returns
// fs.ErrExist and changes nothing. A file system where that is not possible is
// ErrNoExclusive.
func Create(path string, mode fs.FileMode, write func(io.Writer) error) error {
	folder, base := split(path)
	return folder.put(base, mode, false, write)
}

// split returns the folder and the name of the file that a path leads to.
func split(path string) (folder Folder, base string) {
	path = Resolve(path)
	return At(filepath.Dir(path)), filepath.Base(path)
}

// WriteIn is Write for a name, without a slash, in a folder where others may have put
// something under it. It follows no link. If anything but a regular file has the name,
// that stays, and the error is ErrNotRegular.
func WriteIn(folder *os.Root, base string, mode fs.FileMode, write func(io.Writer) error) error {
	in := In(folder)
	if info, err := in.Lstat(base); err == nil && !info.Mode().IsRegular() {
		return fmt.Errorf("write %s: %w", in.Path(base), ErrNotRegular)
	}
	return in.put(base, mode, true, write)
}

// ErrNotRegular means that a link, a folder, a pipe or a device has the name of a file
// that is to be written.
var ErrNotRegular = errors.New("something that is not a regular file has this name: remove it")

func (f Folder) put(base string, mode fs.FileMode, replace bool, write func(io.Writer) error) error {
	path, begin := f.Path(base), "."+base+"."
	var like fs.FileInfo
	if replace {
		if info, err := f.Lstat(base); err == nil && info.Mode().IsRegular() {
			like = info
		}
	}
	t, err := f.NewTemp(begin, tempEnd, mode, like)
	if err != nil {
		return forFile(err, "", path)
	}
	defer t.Remove()
	if now, err := f.clock(t.file); err == nil {
		f.removeAbandoned(begin, now)
	}
	if _, err := t.Fill(true, buffered(write)); err != nil {
		return forFile(err, t.file.Name(), path)
	}
	if replace {
		err = t.Rename(base)
	} else {
		err = f.LinkExclusive(t.name, base)
		if err != nil && t.Has(base) { // it was made, and the answer was lost
			err = nil
		}
	}
	if err != nil {
		return forFile(err, t.file.Name(), path)
	}
	// A folder that this user may write to and not read cannot be synced.
	if err := f.Sync(); err != nil && !errors.Is(err, fs.ErrPermission) {
		return forFile(err, "", path)
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

// removeAbandoned removes temporary files of put whose names begin with begin and that
// nobody will finish, by the clock of the file system. What cannot be removed stays.
func (f Folder) removeAbandoned(begin string, now time.Time) {
	files, err := f.ReadDir()
	if err != nil {
		return
	}
	for _, file := range files {
		rest, ok := strings.CutPrefix(file.Name(), begin)
		digits, isTemp := strings.CutSuffix(rest, tempEnd)
		if !ok || !isTemp || digits == "" || strings.Trim(digits, "0123456789") != "" {
			continue
		}
		if info, err := f.Lstat(file.Name()); err == nil && info.Mode().IsRegular() && now.Sub(info.ModTime()) > abandoned {
			_ = f.Remove(file.Name())
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

// forFile turns an error about the temporary file temp, or about any file if that is
// empty, into one about the file that is written.
func forFile(err error, temp, file string) error {
	var path *fs.PathError
	var link *os.LinkError
	switch {
	case errors.As(err, &path) && (temp == "" || path.Path == temp):
		err = path.Err
	case errors.As(err, &link):
		err = link.Err
	default:
		return err
	}
	return fmt.Errorf("write %s: %w", file, err)
}
