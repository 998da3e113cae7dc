package dir

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/batchscore/batchscore/scorer/store"
)

// List implements store.Store.
func (s *Store) List(ctx context.Context, prefix string, fn func(store.Object) error) error {
	return s.list(ctx, prefix, listing{object: fn})
}

var _ store.Namer = (*Store)(nil)

// Names implements store.Namer.
func (s *Store) Names(ctx context.Context, prefix string, fn func(name string) error) error {
	return s.list(ctx, prefix, listing{name: fn})
}

// listing is the function that a listing calls: name if it is set, else object.
type listing struct {
	object func(store.Object) error
	name   func(string) error
}

func (l listing) call(o store.Object) error {
	if l.name != nil {
		return l.name(o.Name)
	}
	return l.object(o)
}

func (s *Store) list(ctx context.Context, prefix string, fn listing) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	info, err := statFolder(s.root)
	if err == nil && !info.IsDir() {
		err = fmt.Errorf("%w: not a folder", store.ErrNotExist)
	}
	if err != nil {
		return classify("list", s.root, 0, err)
	}
	at, linked, ok, err := s.start(prefix)
	if err != nil || !ok {
		return err
	}
	w := &walker{s: s, ctx: ctx, prefix: prefix, fn: fn}
	if !linked {
		if err := w.tree(at); err != nil {
			return err
		}
	}
	if prefix != "" && (linked || len(w.links) > 0) {
		// The name under which a linked folder is listed depends on the whole place.
		w = &walker{s: s, ctx: ctx, prefix: prefix, fn: fn, linkedOnly: true}
		if err := w.tree(""); err != nil {
			return err
		}
	}
	return w.follow()
}

// start finds the deepest folder that holds every name with that prefix, so that
// no other folder need be read. ok is false if one of its elements is not a
// folder. linked reports whether one is a link to a folder.
func (s *Store) start(prefix string) (at string, linked, ok bool, err error) {
	for part := range strings.SplitAfterSeq(prefix, "/") {
		if !strings.HasSuffix(part, "/") {
			break
		}
		if _, err := s.path(at + part[:len(part)-1]); err != nil {
			return "", false, false, nil
		}
		at += part
		path := s.root + "/" + at[:len(at)-1]
		info, err := os.Lstat(path)
		if err == nil && info.Mode().Type() == fs.ModeSymlink {
			linked = true
			info, err = os.Stat(path)
		}
		switch {
		case err == nil && !info.IsDir(), isNotExist(err):
			return "", false, false, nil
		case err != nil:
			return "", false, false, classify("list the folder", path, 0, err)
		}
	}
	return at, linked, true, nil
}
