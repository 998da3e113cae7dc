package patient

import (
	"context"
	"hash/maphash"

	"github.com/batchscore/batchscore/scorer/store"
)

// List implements store.Store. Of a store.Lister, each request is tried until
// it succeeds. Any other listing that breaks is begun again, and passes over
// the objects that were delivered before.
func (s *Store) List(ctx context.Context, prefix string, fn func(store.Object) error) error {
	if l, ok := s.inner.(store.Lister); ok {
		return l.ListWith(ctx, prefix, s.retry("list", prefix, s.opt.Stall), fn)
	}
	return s.listAgain(ctx, prefix, fn)
}

// listAgain lists until a listing comes to its end. To pass over what was
// delivered before, in whatever order objects come, it keeps 16 bytes for each:
// as good as the name itself, since the chance that among ten million names two
// agree in 128 bits is below 1e-24.
func (s *Store) listAgain(ctx context.Context, prefix string, fn func(store.Object) error) error {
	e := s.errand("list", prefix)
	seeds := [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}
	delivered := map[[2]uint64]struct{}{}
	var fnErr error
	a, err := e.tryAs(ctx, false, s.opt.Stall, func(a *attempt) error {
		again := len(delivered) > 0
		err := s.inner.List(a.ctx, prefix, func(o store.Object) error {
			// The time that fn takes is no stall.
			a.unwatch()
			defer a.watch(s.opt.Stall)
			key := [2]uint64{maphash.String(seeds[0], o.Name), maphash.String(seeds[1], o.Name)}
			if again {
				if _, ok := delivered[key]; ok {
					return nil
				}
			}
			delivered[key] = struct{}{}
			e.progress()
			fnErr = fn(o)
			return fnErr
		})
		if fnErr != nil {
			return nil // the listing went well; fn wants no more of it
		}
		return err
	})
	if err != nil {
		return err
	}
	a.end(nil)
	return fnErr
}
