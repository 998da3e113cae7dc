package tfjs

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"time"

	"github.com/batchscore/batchscore/scorer/store/atomicfile"
)

// bounds are the limits of an archive. A small .tgz may hold any number of bytes, files
// and long names.
type bounds struct {
	unpacked int64 // bytes of files in memory
	text     int64 // bytes of a model file or package.json among them
	all      int64 // bytes of everything, most of which is skipped
	files    int   // in the model's folder
	models   int
	name     int // bytes of a name
}

var usualBounds = bounds{unpacked: 2 << 30, all: 4 << 30, text: maxModelFile, files: 10_000, models: 1000, name: 4096}

// archive is a .tgz within bounds. Links, devices and files with names that lead out of it
// are passed over, and nothing is written to disk.
type archive struct {
	name string
	bounds
}

// bounded reads the unpacked stream of an archive until the context ends.
type bounded struct {
	ended func() error // of the context
	from  io.Reader
	left  int64
}

var errLarge = errors.New("it is too large")

func (b *bounded) Read(p []byte) (int, error) {
	if err := b.ended(); err != nil {
		return 0, err
	}
	if b.left <= 0 {
		return 0, errLarge
	}
	n, err := b.from.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}

// each calls visit for every regular file, in the order of the archive. What visit does
// not read is skipped.
func (a archive) each(ctx context.Context, visit func(name string, size int64, r io.Reader) error) error {
	f, err := atomicfile.OpenRegular(a.name)
	if errors.Is(err, atomicfile.ErrIrregular) {
		return bad("%w", err)
	}
	if err != nil {
		return err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return bad("not a .tgz: %w", err)
	}
	t := tar.NewReader(&bounded{ctx.Err, z, a.all})
	for {
		h, err := t.Next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			return a.explain(err)
		case len(h.Name) > a.bounds.name:
			return bad("the archive holds a name of %d bytes", len(h.Name))
		case h.Typeflag != tar.TypeReg || !fs.ValidPath(path.Clean(h.Name)):
			continue
		}
		if err := visit(path.Clean(h.Name), h.Size, t); err != nil {
			return err
		}
	}
}

func (a archive) explain(err error) error {
	if errors.Is(err, errLarge) {
		return bad("the archive holds more than %d bytes", a.all)
	}
	return bad("damaged .tgz: %w", err)
}

// folders returns the folders that hold a model.
func (a archive) folders(ctx context.Context) ([]string, error) {
	var dirs []string
	err := a.each(ctx, func(file string, _ int64, _ io.Reader) error {
		if dir := path.Dir(file); slices.Contains(modelFiles, path.Base(file)) && !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
		if len(dirs) > a.models {
			return bad("the archive holds more than %d models", a.models)
		}
		return nil
	})
	return dirs, err
}

// unpack reads the files that want selects into memory.
func (a archive) unpack(ctx context.Context, want func(name string) bool) (memory, error) {
	m, left := memory{}, a.unpacked
	err := a.each(ctx, func(name string, size int64, r io.Reader) error {
		if !want(name) {
			return nil
		}
		switch left -= size; {
		case size < 0 || left < 0:
			return bad("%s: more than %d bytes to unpack", name, a.unpacked)
		case size > a.text && !isShard(name):
			return bad("%s has more than %d bytes", name, a.text)
		}
		if _, twice := m[name]; twice {
			return bad("the archive holds %s twice", name)
		}
		if len(m) >= a.files {
			return bad("the archive holds more than %d files next to the model", a.files)
		}
		body, err := readSized(r, size)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			return a.explain(fmt.Errorf("%s: %w", name, err))
		}
		m[name] = body
		return nil
	})
	return m, err
}

// isShard reports whether a file may hold weights; others are text that is read whole.
func isShard(name string) bool {
	base := path.Base(name)
	return !slices.Contains(modelFiles, base) && base != path.Base(classTable) && base != "package.json"
}

// proven is how many bytes must exist before a header is believed that claims more.
const proven = 16 << 20

// readSized reads size bytes. Memory is at most size and what was proven.
func readSized(r io.Reader, size int64) ([]byte, error) {
	body := make([]byte, min(size, proven))
	if _, err := io.ReadFull(r, body); err != nil || size <= proven {
		return body, err
	}
	whole := make([]byte, size) // the system gives pages when they are written to
	_, err := io.ReadFull(r, whole[copy(whole, body):])
	return whole, err
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
