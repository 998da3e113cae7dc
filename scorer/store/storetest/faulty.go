package storetest

import (
	"context"
	"io"
	"sync/atomic"

	"github.com/batchscore/batchscore/scorer/store"
)

// Faulty passes every call on to Store, but for what its hooks do. Hooks that
// are nil do nothing; the others may be called from any number of goroutines.
// Calls of each kind are counted from 0.
type Faulty struct {
	store.Store
	// BeforeCreate runs before create number n. An error is returned instead
	// of creating. To delay a create, let the hook wait.
	BeforeCreate func(ctx context.Context, n int, name string, body []byte) error
	// AfterCreate runs after create number n and decides what the caller sees
	// of its outcome err. Returning an error where err is nil is how an answer
	// gets lost.
	AfterCreate func(n int, o store.Object, err error) error
	// BeforeOpen runs before open number n. An error is returned instead.
	BeforeOpen func(ctx context.Context, n int, name string) error
	// Body wraps the reader of an object that was opened.
	Body func(o store.Object, r io.ReadCloser) io.ReadCloser
	// Listed decides how often the n-th object of a listing is delivered (0,
	// 1, 2...), or ends the listing with an error.
	Listed func(n int, o store.Object) (times int, err error)

	creates, opens atomic.Int64
}

var _ store.Store = (*Faulty)(nil)

// Create implements store.Store.
func (f *Faulty) Create(ctx context.Context, name string, body []byte) (store.Object, error) {
	n := int(f.creates.Add(1)) - 1
	if f.BeforeCreate != nil {
		if err := f.BeforeCreate(ctx, n, name, body); err != nil {
			return store.Object{}, err
		}
	}
	o, err := f.Store.Create(ctx, name, body)
	if f.AfterCreate != nil {
		if o.Name == "" {
			o.Name = name
		}
		if err = f.AfterCreate(n, o, err); err != nil {
			return store.Object{}, err
		}
	}
	return o, err
}

// Open implements store.Store.
func (f *Faulty) Open(ctx context.Context, name, etag string) (io.ReadCloser, store.Object, error) {
	n := int(f.opens.Add(1)) - 1
	if f.BeforeOpen != nil {
		if err := f.BeforeOpen(ctx, n, name); err != nil {
			return nil, store.Object{}, err
		}
	}
	r, o, err := f.Store.Open(ctx, name, etag)
	if err == nil && f.Body != nil {
		r = f.Body(o, r)
	}
	return r, o, err
}

// List implements store.Store.
func (f *Faulty) List(ctx context.Context, prefix string, fn func(store.Object) error) error {
	if f.Listed == nil {
		return f.Store.List(ctx, prefix, fn)
	}
	n := 0
	return f.Store.List(ctx, prefix, func(o store.Object) error {
		times, err := f.Listed(n, o)
		n++
		if err != nil {
			return err
		}
		for range times {
			if err := fn(o); err != nil {
				return err
			}
		}
		return nil
	})
}
