package dir

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/store/atomicfile"
)

var _ store.Replacer = (*Store)(nil)

// Replace implements store.Replacer. A file system has no call that compares and
// replaces, so two callers that replace one version at the same moment may both
// succeed.
func (s *Store) Replace(ctx context.Context, name string, body []byte, etag string) (store.Object, error) {
	final, err := s.current(ctx, "replace", name, etag)
	if err != nil {
		return store.Object{}, err
	}
	folder, size := filepath.Dir(final), int64(len(body))
	temp, err := atomicfile.NewTemp(folder, tempPrefix)
	if err != nil {
		return store.Object{}, classify("replace", final, size, err)
	}
	defer temp.Remove()
	if err := temp.Fill(fileMode, bool(durable), whole(body)); err != nil {
		return store.Object{}, classify("replace", final, size, err)
	}
	// Check again, since the writing took a while.
	if _, err := s.current(ctx, "replace", name, etag); err != nil {
		return store.Object{}, err
	}
	info, err := os.Lstat(temp.Name())
	if err == nil {
		err = os.Rename(temp.Name(), final)
	}
	if err == nil {
		err = atomicfile.SyncFolder(folder)
	}
	if err != nil {
		return store.Object{}, classify("replace", final, size, err)
	}
	return object(name, info), nil
}

// Delete implements store.Replacer.
func (s *Store) Delete(ctx context.Context, name, etag string) error {
	final, err := s.current(ctx, "delete", name, etag)
	if err != nil {
		return err
	}
	err = os.Remove(final)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("delete %s: %w", final, store.ErrNotExist)
	}
	if err == nil {
		err = atomicfile.SyncFolder(filepath.Dir(final))
	}
	if err != nil {
		return classify("delete", final, 0, err)
	}
	return nil
}

// current returns the path of an object that has that ETag.
func (s *Store) current(ctx context.Context, doing, name, etag string) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	path, err := s.path(name)
	if err != nil {
		return "", fmt.Errorf("%s: %w: %w", doing, store.ErrNotExist, err)
	}
	info, err := os.Lstat(path)
	switch {
	case err != nil:
		return "", classify(doing, path, 0, err)
	case !info.Mode().IsRegular():
		return "", fmt.Errorf("%s %s: %w: not a regular file", doing, path, store.ErrNotExist)
	case object(name, info).ETag != etag:
		return "", fmt.Errorf("%s %s: %w", doing, path, store.ErrChanged)
	}
	return path, nil
}
