package dir

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/batchscore/batchscore/scorer/store"
)

var _ store.Ranger = (*Store)(nil)

// Open implements store.Store. When another file replaces the one that was
// opened, the reader continues to return the bytes of the old one. When the file
// is written to in place, it fails with store.ErrChanged.
func (s *Store) Open(ctx context.Context, name, etag string) (io.ReadCloser, store.Object, error) {
	r, err := s.open(ctx, name, etag)
	if err != nil {
		return nil, store.Object{}, err
	}
	return r, r.obj, nil
}

// OpenRange implements store.Ranger.
func (s *Store) OpenRange(ctx context.Context, name, etag string, offset, length int64) (io.ReadCloser, store.Object, error) {
	if err := store.CheckRange(name, etag, offset, length); err != nil {
		return nil, store.Object{}, err
	}
	r, err := s.open(ctx, name, etag)
	if err != nil {
		return nil, store.Object{}, err
	}
	if offset >= r.obj.Size {
		err = store.PastEnd(name, offset, r.obj.Size)
	} else if _, err = r.f.Seek(offset, io.SeekStart); err != nil {
		err = s.unread("read", r.f.Name(), err)
	}
	if err != nil {
		_ = r.f.Close()
		return nil, store.Object{}, err
	}
	return store.LimitRange(r, length), r.obj, nil
}

func (s *Store) open(ctx context.Context, name, etag string) (*reader, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	path, err := s.path(name)
	if err != nil {
		return nil, fmt.Errorf("open: %w: %w", store.ErrNotExist, err)
	}
	f, err := s.openFile(path)
	if errors.Is(err, fs.ErrNotExist) && renew(filepath.Dir(path)) {
		f, err = s.openFile(path)
	}
	if err != nil {
		return nil, s.unread("open", path, err)
	}
	info, err := f.Stat()
	switch {
	case err != nil:
		err = s.unread("open", path, err)
	case !info.Mode().IsRegular():
		err = classify("open", path, 0, errNotRegular)
	case etag != "" && object(name, info).ETag != etag:
		err = fmt.Errorf("open %s: %w", path, store.ErrChanged)
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return &reader{s: s, f: f, obj: object(name, info)}, nil
}

// renew opens a folder and reports whether that succeeded. A machine that mounts the folder
// asks the server about it then. Otherwise it may answer for a while that a name is missing,
// or is there, because that was so before.
func renew(folder string) bool {
	d, err := os.Open(folder)
	return err == nil && d.Close() == nil
}

// statFolder is os.Stat for the root, about which the server of a mount is asked.
func statFolder(path string) (fs.FileInfo, error) {
	info, err := os.Stat(path)
	switch {
	case err == nil && info.IsDir() && !renew(path), errors.Is(err, fs.ErrNotExist) && renew(filepath.Dir(path)):
		return os.Stat(path)
	}
	return info, err
}

// openFile opens a file for reading. Without O_NONBLOCK, opening a pipe would wait
// for a writer.
func openFile(path string) (File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	return f, nil
}

// openWithin is openFile for a file beneath the root, unless links lead out of it.
func (s *Store) openWithin(path string) (File, error) {
	root, err := os.OpenRoot(s.root + thisFolder)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	open := func(name string) (*os.File, error) { return root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0) }
	f, err := open(path[len(s.root)+1:])
	if err != nil && escapes(err) {
		// An os.Root follows no absolute link, even if that stays within.
		real, errReal := filepath.EvalSymlinks(path)
		top, errTop := filepath.EvalSymlinks(s.root)
		below, errBelow := filepath.Rel(top, real)
		if errReal == nil && errTop == nil && errBelow == nil && filepath.IsLocal(below) {
			f, err = open(below)
		}
	}
	switch {
	case err != nil && escapes(err):
		return nil, &fs.PathError{Op: "open", Path: path, Err: store.ErrOutside}
	case err != nil:
		return nil, err
	}
	return f, nil
}

// reader reads one version of a file.
type reader struct {
	s   *Store
	f   File
	obj store.Object
}

// Read looks at the file after reading, and returns no bytes of another version
// than the one that was opened.
func (r *reader) Read(p []byte) (int, error) {
	n, err := r.f.Read(p)
	if err != nil && err != io.EOF {
		return 0, r.s.unread("read", r.f.Name(), err)
	}
	info, statErr := r.f.Stat()
	if statErr != nil {
		return 0, r.s.unread("read", r.f.Name(), statErr)
	}
	if object(r.obj.Name, info).ETag != r.obj.ETag {
		return 0, fmt.Errorf("read %s: %w", r.f.Name(), store.ErrChanged)
	}
	return n, err
}

func (r *reader) Close() error { return r.f.Close() }
