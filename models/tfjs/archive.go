package tfjs

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"time"
)

// Limits of an archive: bytes unpacked to memory, and bytes that may be skipped.
const (
	maxUnpacked = 2 << 30
	maxArchive  = 16 << 30
)

// archiveFiles calls visit for every regular file of a .tgz, in the order of the
// archive. What visit does not read is skipped.
func archiveFiles(ctx context.Context, name string, visit func(name string, size int64, r io.Reader) error) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return bad("not a .tgz: %w", err)
	}
	t := tar.NewReader(&io.LimitedReader{R: z, N: maxArchive})
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		h, err := t.Next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return bad("damaged .tgz: %w", err)
		case h.Typeflag != tar.TypeReg || !fs.ValidPath(path.Clean(h.Name)):
			continue
		}
		if err := visit(path.Clean(h.Name), h.Size, t); err != nil {
			return err
		}
	}
}

// unpack reads the files that want selects into memory.
func unpack(ctx context.Context, name string, want func(name string) bool) (memory, error) {
	m, left := memory{}, int64(maxUnpacked)
	err := archiveFiles(ctx, name, func(name string, size int64, r io.Reader) error {
		if !want(name) {
			return nil
		}
		if left -= size; size < 0 || left < 0 {
			return bad("%s: more than %d bytes to unpack", name, int64(maxUnpacked))
		}
		// The buffer grows with the data, whatever the header claims.
		var b bytes.Buffer
		if _, err := io.Copy(&b, r); err != nil {
			return bad("%s: damaged .tgz: %w", name, err)
		}
		m[name] = b.Bytes()
		return nil
	})
	return m, err
}

// memory is a file system of files by their full names.
type memory map[string][]byte

func (m memory) Open(name string) (fs.File, error) {
	data, ok := m[name]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return memoryFile{bytes.NewReader(data), path.Base(name)}, nil
}

type memoryFile struct {
	*bytes.Reader
	name string
}

func (f memoryFile) Close() error               { return nil }
func (f memoryFile) Stat() (fs.FileInfo, error) { return f, nil }
func (f memoryFile) Name() string               { return f.name }
func (f memoryFile) Mode() fs.FileMode          { return 0o444 }
func (f memoryFile) ModTime() time.Time         { return time.Time{} }
func (f memoryFile) IsDir() bool                { return false }
func (f memoryFile) Sys() any                   { return nil }
