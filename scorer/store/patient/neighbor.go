package patient

import (
	"context"

	"github.com/batchscore/batchscore/scorer/store"
)

var (
	_ store.Neighborly   = (*Store)(nil)
	_ store.FolderLister = (*Store)(nil)
)

// Neighbor implements store.Neighborly. The neighbor has the same options and, as it is the
// same storage, the same limit of calls. It counts its own calls.
func (s *Store) Neighbor(place string) (store.Store, error) {
	inner, err := store.Neighbor(s.inner, place)
	if err != nil {
		return nil, err
	}
	n := New(inner, s.opt)
	n.limit = s.limit
	n.answered.Store(s.answered.Load())
	return n, nil
}

// Folders implements store.FolderLister.
func (s *Store) Folders(ctx context.Context, in string, _ store.Retry, fn func(name string) error) error {
	l, ok := store.As[store.FolderLister](s.inner)
	if !ok {
		return s.startOver(ctx, in, func(ctx context.Context, deliver delivery) error {
			return store.Folders(ctx, s.inner, in, func(name string) error {
				return deliver(name, func() error { return fn(name) })
			})
		})
	}
	return l.Folders(ctx, in, s.retry("list", in, s.opt.Stall), fn)
}
