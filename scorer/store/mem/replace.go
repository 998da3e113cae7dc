package mem

import (
	"context"
	"fmt"

	"github.com/batchscore/batchscore/scorer/store"
)

var _ store.Replacer = (*Store)(nil)

// Replace implements store.Replacer.
func (s *Store) Replace(ctx context.Context, name string, body []byte, etag string) (store.Object, error) {
	if err := ctx.Err(); err != nil {
		return store.Object{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.check(name, etag); err != nil {
		return store.Object{}, fmt.Errorf("replace %q: %w", name, err)
	}
	return s.put(name, body), nil
}

// Delete implements store.Replacer.
func (s *Store) Delete(ctx context.Context, name, etag string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.check(name, etag); err != nil {
		return fmt.Errorf("delete %q: %w", name, err)
	}
	delete(s.objects, name)
	return nil
}

// check returns nil if an object of that name has that ETag. The caller holds mu.
func (s *Store) check(name, etag string) error {
	o, ok := s.objects[name]
	switch {
	case !ok:
		return store.ErrNotExist
	case o.object.ETag != etag:
		return store.ErrChanged
	}
	return nil
}
