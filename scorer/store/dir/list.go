package dir

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/batchscore/batchscore/scorer/store"
)

// batch is how many names of a folder are held at a time.
const batch = 1024

// List implements store.Store.
func (s *Store) List(ctx context.Context, prefix string, fn func(store.Object) error) error {
	return s.list(ctx, prefix, listing{object: fn})
}

// Names implements what store.Names asks for.
func (s *Store) Names(ctx context.Context, prefix string, fn func(name string) error) error {
	return s.list(ctx, prefix, listing{name: fn})
}

// listing is what a listing calls: name, where that is set, else object.
type listing struct {
	object func(store.Object) error
	name   func(string) error
}

func (l listing) file(name string, info fs.FileInfo) error {
	if l.name != nil {
		return l.name(name)
	}
	return l.object(object(name, info))
}

func (s *Store) list(ctx context.Context, prefix string, fn listing) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	info, err := os.Stat(s.root)
	if err == nil && !info.IsDir() {
		err = fmt.Errorf("%w: not a folder", store.ErrNotExist)
	}
	if err != nil {
		return classify("list", s.root, 0, err)
	}
	at, ok, err := s.start(prefix)
	if err != nil || !ok {
		return err
	}
	return s.walk(ctx, at, prefix, fn)
}

// start finds the deepest folder that holds everything beginning with prefix,
// so that the folders beside it need not be read. There is none if one of its
// elements is not a folder.
func (s *Store) start(prefix string) (at string, ok bool, err error) {
	for part := range strings.SplitAfterSeq(prefix, "/") {
		if !strings.HasSuffix(part, "/") {
			break
		}
		if _, err := s.path(at + part[:len(part)-1]); err != nil {
			return "", false, nil
		}
		at += part
		switch info, err := os.Lstat(s.root + "/" + at[:len(at)-1]); {
		case err == nil && !info.IsDir(), isNotExist(err):
			return "", false, nil
		case err != nil:
			return "", false, classify("list the folder", s.root+"/"+at, 0, err)
		}
	}
	return at, true, nil
}

// walk lists the folder named at ("" or ending in a slash).
func (s *Store) walk(ctx context.Context, at, prefix string, fn listing) error {
	path := s.root + "/" + at
	d, err := os.Open(path)
	if err != nil {
		if at != "" && errors.Is(err, fs.ErrNotExist) {
			return nil // removed since it was seen, with all that lay in it
		}
		return classify("list the folder", path, 0, err)
	}
	defer d.Close()
	for {
		entries, err := d.ReadDir(batch)
		for _, e := range entries {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := s.visit(ctx, at, e, prefix, fn); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return classify("list the folder", path, 0, err)
		}
	}
}

// visit lists one entry of the folder at, and what lies beneath it.
func (s *Store) visit(ctx context.Context, at string, e fs.DirEntry, prefix string, fn listing) error {
	if strings.HasPrefix(e.Name(), TempPrefix) {
		return nil
	}
	name := at + e.Name()
	if e.IsDir() {
		below := name + "/"
		if !strings.HasPrefix(below, prefix) && !strings.HasPrefix(prefix, below) {
			return nil
		}
		return s.walk(ctx, below, prefix, fn)
	}
	if !strings.HasPrefix(name, prefix) {
		return nil
	}
	if fn.name != nil && e.Type().IsRegular() {
		return fn.name(name)
	}
	info, err := e.Info()
	if err == nil && info.Mode().Type() == fs.ModeSymlink {
		link := info
		if info, err = os.Stat(s.root + "/" + name); isNotExist(err) {
			return fn.file(name, nowhere{link})
		}
	}
	switch {
	case err == nil && info.Mode().IsRegular():
		return fn.file(name, info)
	case err == nil:
		return nil
	case isNotExist(err):
		return nil // removed since it was seen
	}
	return classify("list", s.root+"/"+name, 0, err)
}

// nowhere is a link that leads nowhere: a file that whoever made the link counts
// on, and that holds nothing.
type nowhere struct{ fs.FileInfo }

func (nowhere) Size() int64 { return 0 }
