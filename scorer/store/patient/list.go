package patient

import (
	"context"
	"hash/maphash"

	"github.com/batchscore/batchscore/scorer/store"
)

var _ store.Namer = (*Store)(nil)

// List implements store.Store. Of a store.PagedLister, each request is repeated
// until it succeeds. Any other listing that breaks is started over, without the
// objects that were delivered before.
func (s *Store) List(ctx context.Context, prefix string, fn func(store.Object) error) error {
	if l, ok := store.As[store.PagedLister](s.inner); ok {
		return l.ListPages(ctx, prefix, s.retry("list", prefix, s.opt.Stall), fn)
	}
	return s.startOver(ctx, prefix, func(ctx context.Context, deliver delivery) error {
		return s.inner.List(ctx, prefix, func(o store.Object) error {
			return deliver(o.Name, func() error { return fn(o) })
		})
	})
}

// Names implements store.Namer, as List does for a listing that is started over.
func (s *Store) Names(ctx context.Context, prefix string, fn func(name string) error) error {
	return s.startOver(ctx, prefix, func(ctx context.Context, deliver delivery) error {
		return store.Names(ctx, s.inner, prefix, func(name string) error {
			return deliver(name, func() error { return fn(name) })
		})
	})
}

// delivery calls fn unless it was called for that name before.
type delivery func(name string, fn func() error) error

// startOver calls list until a listing comes to its end. To skip what was
// delivered before, in whatever order objects come, it keeps 16 bytes for each:
// as good as the name itself, since the chance that among ten million names two
// agree in 128 bits is below 1e-24.
func (s *Store) startOver(ctx context.Context, prefix string, list func(context.Context, delivery) error) error {
	op := s.operation("list", prefix)
	seeds := [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}
	delivered := map[[2]uint64]struct{}{}
	var fnErr error
	a, err := op.tryAs(ctx, false, s.opt.Stall, func(a *attempt) error {
		repeated := len(delivered) > 0
		err := list(a.ctx, func(name string, fn func() error) error {
			// The time that fn takes is no stall.
			a.unwatch()
			defer a.watch(s.opt.Stall)
			key := [2]uint64{maphash.String(seeds[0], name), maphash.String(seeds[1], name)}
			if repeated {
				if _, ok := delivered[key]; ok {
					return nil
				}
			}
			delivered[key] = struct{}{}
			op.progress()
			fnErr = fn()
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
