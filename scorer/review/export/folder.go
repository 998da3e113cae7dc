package export

import (
	"bufio"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
)

// Linker is a Folder that can hold links.
type Linker interface {
	// Link makes name a link to a file of this machine.
	Link(target, name string) error
}

// Local is a new folder on this machine. Its files are in a folder next to it until Keep.
type Local struct {
	path, work string
	root       *os.Root
	locked     *os.File

	// Removed are folders of exports to the same path that were killed, which NewLocal has
	// removed; Left are those that belong to an export that is going on, or of which it cannot
	// know that.
	Removed, Left []string
}

// lockName is the file in a folder that is being written whose lock its process holds.
const lockName = ".batchscore-export"

// partials are the names of folders that are being written, after the name of the export.
var partials = regexp.MustCompile(`^\.partial-[A-Z2-7]{10}$`)

// ErrTaken means that a folder cannot be made because something is there.
var ErrTaken = errors.New("there is something already")

// NewLocal begins a folder. The caller calls Close.
func NewLocal(folder string) (*Local, error) {
	folder, err := filepath.Abs(folder)
	if err != nil {
		return nil, err
	}
	if err := free(folder); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(folder), 0o777); err != nil { //nolint:gosec // as the user's umask says
		return nil, err
	}
	l := &Local{path: folder}
	if err := l.clean(); err != nil {
		return nil, err
	}
	l.work = filepath.Join(filepath.Dir(folder), "."+filepath.Base(folder)+".partial-"+rand.Text()[:10])
	if err := os.Mkdir(l.work, 0o777); err != nil { //nolint:gosec // as the user's umask says
		return nil, err
	}
	if l.root, err = os.OpenRoot(l.work); err != nil {
		return nil, errors.Join(err, os.RemoveAll(l.work))
	}
	if l.locked, err = l.root.OpenFile(lockName, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o666); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	switch ok, err := lock(l.locked); {
	case err != nil: // there are no locks: without the file, others leave the folder alone
		return l, l.unlock()
	case !ok: // another one takes the folder for one that was left, and removes it
		return nil, errors.Join(fmt.Errorf("another export to %s begins: export again", folder), l.Close())
	}
	return l, nil
}

// clean removes folders that killed exports to the same path have left: those whose lock nobody
// holds. One without a file to lock may be about to have it.
func (l *Local) clean() error {
	parent := filepath.Dir(l.path)
	all, err := os.ReadDir(parent)
	if err != nil {
		return err
	}
	for _, e := range all {
		rest, ok := strings.CutPrefix(e.Name(), "."+filepath.Base(l.path))
		if !ok || !e.IsDir() || !partials.MatchString(rest) {
			continue
		}
		name := filepath.Join(parent, e.Name())
		if removed, err := removeStale(name); err != nil || !removed {
			l.Left = append(l.Left, name)
		} else {
			l.Removed = append(l.Removed, name)
		}
	}
	return nil
}

// removeStale removes a folder that no export writes any more, and reports whether it did.
func removeStale(name string) (bool, error) {
	root, err := os.OpenRoot(name)
	if err != nil {
		return false, err
	}
	defer root.Close()
	f, err := root.OpenFile(lockName, os.O_RDWR, 0)
	if err != nil {
		return false, err
	}
	defer f.Close()
	if ok, err := lock(f); !ok || err != nil {
		return false, err
	}
	return true, os.RemoveAll(name)
}

// unlock removes the file that is locked.
func (l *Local) unlock() error {
	if l.locked == nil {
		return nil
	}
	err := errors.Join(l.root.Remove(lockName), l.locked.Close())
	l.locked = nil
	return err
}

// free returns an error unless nothing, or an empty folder, is at a path.
func free(folder string) error {
	info, err := os.Stat(folder)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil
	case err != nil:
		return err
	case !info.IsDir():
		return fmt.Errorf("%w: %s is a file", ErrTaken, folder)
	}
	d, err := os.Open(folder)
	if err != nil {
		return err
	}
	defer d.Close()
	names, err := d.Readdirnames(1)
	if errors.Is(err, io.EOF) {
		return nil
	}
	if err == nil {
		err = fmt.Errorf("%w: %s holds files, such as %q", ErrTaken, folder, names[0])
	}
	return err
}

// parents makes the folders that a name is in.
func (l *Local) parents(name string) error {
	if folder := path.Dir(name); folder != "." {
		return l.root.MkdirAll(folder, 0o777)
	}
	return nil
}

// Create implements Folder.
func (l *Local) Create(name string) (io.WriteCloser, error) {
	if err := l.parents(name); err != nil {
		return nil, err
	}
	f, err := l.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return nil, err
	}
	return &file{f: f, Writer: bufio.NewWriterSize(f, 64<<10)}, nil
}

// Link implements Linker.
func (l *Local) Link(target, name string) error {
	if !strings.HasPrefix(target, "/") {
		return fmt.Errorf("no link to %s: the images are not in a folder of this machine", target)
	}
	if err := l.parents(name); err != nil {
		return err
	}
	return l.root.Symlink(target, name)
}

// Keep puts the folder at its place.
func (l *Local) Keep() error {
	if err := free(l.path); err != nil {
		return err
	}
	if err := os.Remove(l.path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := l.unlock(); err != nil {
		return err
	}
	return os.Rename(l.work, l.path)
}

// Close removes what was written, unless Keep has put it at its place.
func (l *Local) Close() error {
	err := errors.Join(os.RemoveAll(l.work), l.root.Close())
	if l.locked != nil {
		err = errors.Join(err, l.locked.Close())
	}
	return err
}

// file is a file of a Local.
type file struct {
	f *os.File
	*bufio.Writer
}

func (f *file) Close() error { return errors.Join(f.Flush(), f.f.Close()) }

// One is a Folder of one file, which is written to W.
type One struct {
	W    io.Writer
	made bool
}

// Create implements Folder.
func (o *One) Create(name string) (io.WriteCloser, error) {
	if o.made {
		return nil, fmt.Errorf("%s: the export is one file", name)
	}
	o.made = true
	return &flushed{bufio.NewWriterSize(o.W, 64<<10)}, nil
}

type flushed struct{ *bufio.Writer }

func (f *flushed) Close() error { return f.Flush() }
