package dir

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/batchscore/batchscore/scorer/store"
)

var (
	_ store.Neighborly   = (*Store)(nil)
	_ store.FolderLister = (*Store)(nil)
)

// Neighbor implements store.Neighborly: every folder of this machine is in the same storage.
func (s *Store) Neighbor(place string) (store.Store, error) {
	path := place
	if store.IsRelative(place) {
		path = filepath.Join(s.root, place)
	}
	if !filepath.IsAbs(path) {
		return nil, store.OtherStorage(s, place)
	}
	n, err := New(path, Options{TempAge: s.tempAge, Within: s.within})
	if err != nil {
		return nil, err
	}
	if !s.within {
		n.openFile = s.openFile
	}
	n.in, n.link = s.in, s.link
	return n, nil
}

// Folders implements store.FolderLister. Links to folders count as folders.
func (s *Store) Folders(ctx context.Context, in string, retry store.Retry, fn func(name string) error) error {
	path := s.root
	if in != "" {
		var err error
		if path, err = s.path(strings.TrimSuffix(in, "/")); err != nil {
			return nil // no object has such a name
		}
	}
	var entries []fs.DirEntry
	if err := retry(ctx, func(ctx context.Context) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		var err error
		if entries, err = os.ReadDir(path); err != nil && !(in != "" && isNotExist(err)) {
			return classify("list the folder", path, 0, err)
		}
		return nil
	}); err != nil {
		return err
	}
	for _, e := range entries {
		if !e.IsDir() {
			if info, err := os.Stat(path + "/" + e.Name()); err != nil || !info.IsDir() {
				continue
			}
		}
		if err := fn(e.Name()); err != nil {
			return err
		}
	}
	return nil
}
