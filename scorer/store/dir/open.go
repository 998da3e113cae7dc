package dir

import (
	"context"
	"fmt"
	"io"
	"os"
	"syscall"

	"github.com/batchscore/batchscore/scorer/store"
)

// Open implements store.Store. A file that was replaced by another under the
// reader goes on giving the bytes of the version that was opened; one that was
// written to in place fails with store.ErrChanged.
func (s *Store) Open(ctx context.Context, name, etag string) (io.ReadCloser, store.Object, error) {
	if err := ctx.Err(); err != nil {
		return nil, store.Object{}, err
	}
	path, err := s.path(name)
	if err != nil {
		return nil, store.Object{}, fmt.Errorf("open: %w: %w", store.ErrNotExist, err)
	}
	f, err := s.openFile(path)
	if err != nil {
		return nil, store.Object{}, s.unread("open", path, err)
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
		f.Close()
		return nil, store.Object{}, err
	}
	obj := object(name, info)
	return &reader{s: s, f: f, obj: obj}, obj, nil
}

// openFile opens a file for reading. Without O_NONBLOCK the open of a pipe would
// wait for a writer.
func openFile(path string) (File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
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

// Read hands out bytes only after a look at the file that says they belong to
// the version that was opened.
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
