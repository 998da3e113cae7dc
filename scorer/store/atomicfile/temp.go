package atomicfile

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"strconv"
	"syscall"
)

// Temp is a temporary file that is to get another name in its folder. Write and
// Create suit most callers; Temp is for those that have more to do in between.
type Temp struct {
	folder Folder
	name   string
	file   *os.File
	info   fs.FileInfo // what became of the file, once it is filled
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
		t := &Temp{folder: f, name: name, file: file}
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
func (t *Temp) Fill(sync bool, write func(io.Writer) error) (info fs.FileInfo, err error) {
	if sync {
		info, err = t.fillAndSync(write)
	} else {
		info, err = t.fill(write)
	}
	t.info = info
	return info, err
}

func (t *Temp) fillAndSync(write func(io.Writer) error) (fs.FileInfo, error) {
	err := write(t.file)
	if err == nil {
		err = t.folder.sync(t.file)
	}
	info, statErr := t.file.Stat()
	return info, errors.Join(err, statErr, t.file.Close())
}

// fill is fillAndSync without syncing. What is written to a file of a server gets there
// when the file is described, or else when it is closed; if that fails, as when the disk is
// full, only the close says so, and only if it was the one that tried. So the file is closed
// before it is described, under its name.
func (t *Temp) fill(write func(io.Writer) error) (fs.FileInfo, error) {
	created, err := t.file.Stat()
	if err == nil {
		err = write(t.file)
	}
	if err := errors.Join(err, t.file.Close()); err != nil {
		return created, err
	}
	info, err := t.folder.Lstat(t.name)
	if err == nil && !os.SameFile(info, created) {
		err = &fs.PathError{Op: "write", Path: t.folder.Path(t.name), Err: syscall.ESTALE} // another file has its name
	}
	return info, err
}

// Remove removes the temporary name, which may be gone by now.
func (t *Temp) Remove() { _ = t.folder.Remove(t.name) }

// Rename moves the file, which is filled, to another name, in place of what has that. A
// server may have moved it and lost its answer; asked again, it answers that there is no
// such file. Then the file has its name.
func (t *Temp) Rename(final string) error {
	err := t.folder.rename(t.name, final)
	if errors.Is(err, fs.ErrNotExist) && t.Has(final) {
		return nil
	}
	return err
}

// Has reports whether the file, which is filled, has that name.
func (t *Temp) Has(name string) bool {
	info, err := t.folder.Lstat(name)
	return err == nil && t.info != nil && os.SameFile(info, t.info)
}
