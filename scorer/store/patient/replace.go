package patient

import (
	"context"
	"errors"

	"github.com/batchscore/batchscore/scorer/store"
)

var _ store.Replacer = (*Store)(nil)

// Replace implements store.Replacer. When the answer to an earlier try may have
// been lost, what is stored tells whether that try took effect.
func (s *Store) Replace(ctx context.Context, name string, body []byte, etag string) (store.Object, error) {
	op := s.operation("replace", name)
	var o store.Object
	a, err := op.try(ctx, s.uploadTime(len(body)), func(a *attempt) (err error) {
		o, err = store.Replace(a.ctx, s.inner, name, body, etag)
		return err
	})
	if err == nil {
		a.end(nil)
		return o, nil
	}
	if op.tries > 0 && errors.Is(err, store.ErrChanged) {
		if o, same, readErr := op.holds(ctx, body); readErr == nil && same {
			op.s.settled.Add(1)
			return o, nil
		}
	}
	return store.Object{}, err
}

// Delete implements store.Replacer. An object that is gone after an earlier try,
// whose answer was lost, was deleted by that try.
func (s *Store) Delete(ctx context.Context, name, etag string) error {
	op := s.operation("delete", name)
	a, err := op.try(ctx, s.opt.Stall, func(a *attempt) error {
		return store.Delete(a.ctx, s.inner, name, etag)
	})
	if err == nil {
		a.end(nil)
		return nil
	}
	if op.tries > 0 && errors.Is(err, store.ErrNotExist) {
		op.s.settled.Add(1)
		return nil
	}
	return err
}
