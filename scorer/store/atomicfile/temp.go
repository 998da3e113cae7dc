package atomicfile

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"strconv"
)

// Temp is a temporary file that is to get another name in its folder. Write and
// Create suit most callers; Temp is for those that have more to do in between.
type Temp struct {
	folder Folder
	name   string
	file   *os.File
}

// mostTries is how many names NewTemp tries. Even the second one is hardly ever needed.
const mostTries = 1000

// NewTemp creates a temporary file. Its name is begin, digits that nobody can guess, and
// end. Its mode is the given one, less the umask. If it is to replace a file, like
// describes that: then mode and group become those that the package's comment says.
func (f Folder) NewTemp(begin, end string, mode fs.FileMode, like fs.FileInfo) (*Temp, error) {
	own := like != nil && mine(like)
	switch {
	case own:
		mode = like.Mode().Perm() & 0o700 // until it has its group
	case like != nil:
		mode &= like.Mode().Perm()
	}
	for range mostTries {
		name := begin + strconv.FormatUint(f.random(), 10) + end
		// With O_EXCL, a link that has the name is not followed.
		file, err := f.open(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, mode)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		t := &Temp{f, name, file}
		if like != nil {
			if err := t.become(like, own); err != nil {
				t.Remove()
				return nil, errors.Join(err, file.Close())
			}
		}
		return t, nil
	}
	return nil, &fs.PathError{Op: "create", Path: f.Path(begin), Err: fs.ErrExist}
}

// become gives the empty file mode and group of the one that it replaces. own says whether
// that was this user's.
func (t *Temp) become(like fs.FileInfo, own bool) error {
	now, err := t.file.Stat()
	if err != nil {
		return err
	}
	mode := now.Mode().Perm()
	if own {
		mode = like.Mode().Perm()
	}
	if !takeGroup(t.file, now, like) {
		mode &= 0o707 | mode<<3 // to this group, what everybody may do
	}
	if mode == now.Mode().Perm() {
		return nil // some mounts refuse even to set it to what it is
	}
	return t.file.Chmod(mode)
}

// Name returns the name of the temporary file in its folder.
func (t *Temp) Name() string { return t.name }

// Fill lets write write the file, syncs it if it is to survive a crash, and closes it. It
// is called once, and returns what became of the file.
func (t *Temp) Fill(sync bool, write func(io.Writer) error) (fs.FileInfo, error) {
	err := write(t.file)
	if err == nil && sync {
		err = t.folder.sync(t.file)
	}
	info, statErr := t.file.Stat()
	return info, errors.Join(err, statErr, t.file.Close())
}

// Remove removes the temporary name, which may be gone by now.
func (t *Temp) Remove() { _ = t.folder.Remove(t.name) }

// Rename moves the file to another name, in place of what has that.
func (t *Temp) Rename(final string) error { return t.folder.rename(t.name, final) }
