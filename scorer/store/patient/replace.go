package patient

import (
	"context"
	"errors"
	"time"

	"github.com/batchscore/batchscore/scorer/store"
)

var _ store.Replacer = (*Store)(nil)

// Replace implements store.Replacer where the store inside does. When the answer
// to an earlier try may have been lost, what is stored tells whether it took
// effect.
func (s *Store) Replace(ctx context.Context, name string, body []byte, etag string) (store.Object, error) {
	e := s.errand("replace", name)
	limit := s.opt.Stall + time.Duration(len(body))*time.Second/slowest
	var o store.Object
	a, err := e.try(ctx, limit, func(a *attempt) (err error) {
		o, err = store.Replace(a.ctx, s.inner, name, body, etag)
		return err
	})
	if err == nil {
		a.end(nil)
		return o, nil
	}
	if e.tries > 0 && errors.Is(err, store.ErrChanged) {
		if o, same, readErr := e.holds(ctx, body); readErr == nil && same {
			e.settled.Add(1)
			return o, nil
		}
	}
	return store.Object{}, err
}

// Delete implements store.Replacer where the store inside does. An object that is
// gone after an earlier try, whose answer was lost, was deleted by it.
func (s *Store) Delete(ctx context.Context, name, etag string) error {
	e := s.errand("delete", name)
	a, err := e.try(ctx, s.opt.Stall, func(a *attempt) error {
		return store.Delete(a.ctx, s.inner, name, etag)
	})
	if err == nil {
		a.end(nil)
		return nil
	}
	if e.tries > 0 && errors.Is(err, store.ErrNotExist) {
		e.settled.Add(1)
		return nil
	}
	return err
}
