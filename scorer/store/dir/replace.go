package dir

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"

	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/store/atomicfile"
)

var _ store.Replacer = (*Store)(nil)

// Replace implements store.Replacer. A file system has no call that compares and
// replaces, so two callers that replace one version at the same moment may both
// succeed.
func (s *Store) Replace(ctx context.Context, name string, body []byte, etag string) (store.Object, error) {
	final, root, like, err := s.current(ctx, "replace", name, etag)
	if err != nil {
		return store.Object{}, err
	}
	defer root.Close()
	in, size := s.in(root), int64(len(body))
	temp, err := in.NewTemp(tempPrefix, "", fileMode, like)
	if err != nil {
		return store.Object{}, classify("replace", final, size, err)
	}
	defer temp.Remove()
	if _, err := temp.Fill(bool(durable), whole(body)); err != nil {
		return store.Object{}, classify("replace", final, size, err)
	}
	// Check again, since the writing took a while.
	if _, err := isCurrent(in, "replace", final, name, etag); err != nil {
		return store.Object{}, err
	}
	info, err := in.Lstat(temp.Name())
	if err == nil {
		err = temp.Rename(path.Base(name))
	}
	if err == nil {
		err = in.Sync()
	}
	if err != nil {
		return store.Object{}, classify("replace", final, size, err)
	}
	return object(name, info), nil
}

// Delete implements store.Replacer.
func (s *Store) Delete(ctx context.Context, name, etag string) error {
	final, root, _, err := s.current(ctx, "delete", name, etag)
	if err != nil {
		return err
	}
	defer root.Close()
	in := s.in(root)
	err = in.Remove(path.Base(name))
	if errors.Is(err, fs.ErrNotExist) {
		err = nil // it was there just now: another has removed it, or a server did and lost its answer
	}
	if err == nil {
		err = in.Sync()
	}
	if err != nil {
		return classify("delete", final, 0, err)
	}
	return nil
}

// current returns the path of an object that has that ETag, its open folder, and what
// describes it.
func (s *Store) current(ctx context.Context, doing, name, etag string) (string, *os.Root, fs.FileInfo, error) {
	if err := ctx.Err(); err != nil {
		return "", nil, nil, err
	}
	final, err := s.path(name)
	if err != nil {
		return "", nil, nil, fmt.Errorf("%s: %w: %w", doing, store.ErrNotExist, err)
	}
	root, err := s.openFolder(path.Dir(name))
	if err != nil {
		return "", nil, nil, classify(doing, final, 0, err)
	}
	info, err := isCurrent(s.in(root), doing, final, name, etag)
	if err != nil {
		_ = root.Close()
		return "", nil, nil, err
	}
	return final, root, info, nil
}

// isCurrent describes an object in its open folder. It returns an error unless the object
// has that ETag.
func isCurrent(in atomicfile.Folder, doing, final, name, etag string) (fs.FileInfo, error) {
	info, err := in.Lstat(path.Base(name))
	switch {
	case err != nil:
		return nil, classify(doing, final, 0, err)
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s %s: %w: not a regular file", doing, final, store.ErrNotExist)
	case object(name, info).ETag != etag:
		return nil, fmt.Errorf("%s %s: %w", doing, final, store.ErrChanged)
	}
	return info, nil
}
