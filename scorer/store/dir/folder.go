package dir

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/batchscore/batchscore/scorer/store/atomicfile"
)

// folderFor opens the folder of an object that is to be created, and makes it as needed.
func (s *Store) folderFor(name string) (*os.Root, error) {
	folder := path.Dir(name)
	s.mu.Lock()
	seen := s.seen[folder]
	s.mu.Unlock()
	if seen {
		in, err := s.openFolder(folder)
		if !errors.Is(err, fs.ErrNotExist) {
			return in, err
		}
		s.forget() // it was removed meanwhile
	}
	return s.ensureFolder(folder)
}

// openFolder opens a folder beneath the root. A link that leads out of the root is an
// error: whoever can write to the folder could otherwise have files written anywhere.
func (s *Store) openFolder(folder string) (*os.Root, error) {
	root, err := os.OpenRoot(s.root + thisFolder)
	if err != nil || folder == "." {
		return root, err
	}
	defer root.Close()
	return root.OpenRoot(folder + thisFolder)
}

// thisFolder ends the paths of folders that are opened. Without it, os.OpenRoot waits for
// the writer of a pipe that has the folder's name.
const thisFolder = "/."

// ensureFolder makes a folder and those above it, so that they survive a crash, sweeps it
// and opens it. It is called once for each folder in the life of the Store.
func (s *Store) ensureFolder(folder string) (*os.Root, error) {
	made, err := s.makeRoot()
	var in *os.Root
	if err == nil {
		var more []string
		in, more, err = s.makeAndOpen(folder)
		made = append(made, more...)
	}
	if err == nil {
		s.sweep(s.in(in))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.made = append(s.made, made...)
	s.seen[folder] = err == nil
	return in, err
}

func (s *Store) makeAndOpen(folder string) (in *os.Root, made []string, err error) {
	root, err := os.OpenRoot(s.root + thisFolder)
	if err != nil || folder == "." {
		return root, nil, err
	}
	defer root.Close()
	if made, err = s.makeBeneath(root, folder); err != nil {
		return nil, made, err
	}
	in, err = root.OpenRoot(folder + thisFolder)
	return in, made, err
}

// asUnfit returns err, or errNoExclusive if a folder is missing because another
// create found that no create can succeed, and removed the folder.
func (s *Store) asUnfit(err error) error {
	if s.unfit.Load() && errors.Is(err, fs.ErrNotExist) {
		return errNoExclusive
	}
	return err
}

// unmake removes the empty folders that this Store made, if no create can succeed here.
// Each create calls it at its end, since another may have made a folder again meanwhile.
func (s *Store) unmake() {
	if !s.unfit.Load() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	slices.Sort(s.made)
	for _, folder := range slices.Backward(s.made) {
		os.Remove(folder) // fails if the folder is not empty
	}
	clear(s.seen)
}

// forget makes ensureFolder look again.
func (s *Store) forget() {
	s.mu.Lock()
	clear(s.seen)
	s.mu.Unlock()
}

// makeRoot makes the root and the folders above it, so that they survive a crash. It
// returns those it made.
func (s *Store) makeRoot() (made []string, err error) {
	return makeFolder(s.root, os.Stat, os.Mkdir, func(above string) error { return s.syncFolder(os.OpenRoot(above + thisFolder)) })
}

// makeBeneath is makeRoot for a folder beneath the root.
func (s *Store) makeBeneath(root *os.Root, folder string) (made []string, err error) {
	made, err = makeFolder(folder, root.Stat, root.Mkdir, func(above string) error { return s.syncFolder(root.OpenRoot(above + thisFolder)) })
	for i := range made {
		made[i] = s.root + "/" + made[i]
	}
	return made, err
}

// makeFolder is os.MkdirAll that syncs the folders it changes, and returns those it made.
func makeFolder(
	folder string, stat func(string) (fs.FileInfo, error), mkdir func(string, fs.FileMode) error, sync func(string) error,
) (made []string, err error) {
	info, err := stat(folder)
	if err == nil {
		if !info.IsDir() {
			return nil, &fs.PathError{Op: "mkdir", Path: folder, Err: syscall.ENOTDIR}
		}
		return nil, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	above := filepath.Dir(folder)
	if made, err = makeFolder(above, stat, mkdir, sync); err != nil {
		return made, err
	}
	switch err := mkdir(folder, folderMode); {
	case err == nil:
		made = append(made, folder)
	case !errors.Is(err, fs.ErrExist):
		return made, err
	}
	return made, sync(above)
}

// syncFolder syncs a folder that was opened, and closes it.
func (s *Store) syncFolder(folder *os.Root, err error) error {
	if err != nil {
		return err
	}
	defer folder.Close()
	return s.in(folder).Sync()
}

// sweep removes temporary files that were abandoned long ago by the clock of the
// file system, which it reads from a new temporary file. It ignores errors: if
// something is wrong, the next create reports it.
func (s *Store) sweep(in atomicfile.Folder) {
	entries, err := in.ReadDir()
	if err != nil {
		return
	}
	var now time.Time
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), tempPrefix) {
			continue
		}
		if now.IsZero() {
			if now, err = fileClock(in); err != nil {
				return
			}
		}
		if info, err := in.Lstat(e.Name()); err == nil && now.Sub(info.ModTime()) > s.tempAge {
			_ = in.Remove(e.Name())
		}
	}
}

// fileClock returns the time by the clock of the file system.
func fileClock(in atomicfile.Folder) (time.Time, error) {
	temp, err := in.NewTemp(tempPrefix, "", fileMode, nil)
	if err != nil {
		return time.Time{}, err
	}
	defer temp.Remove()
	if _, err := temp.Fill(false, whole(nil)); err != nil {
		return time.Time{}, err
	}
	info, err := in.Lstat(temp.Name())
	if err != nil {
		return time.Time{}, err
	}
	return info.ModTime(), nil
}
