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
	// BeforeChange runs before a replace or delete. An error is returned instead.
	BeforeChange func(ctx context.Context, name string) error
	// AfterChange decides what the caller sees of its outcome err.
	AfterChange func(name string, err error) error
	// BeforeOpen runs before open number n. An error is returned instead.
	BeforeOpen func(ctx context.Context, n int, name string) error
	// Body wraps the reader of an object that was opened.
	Body func(o store.Object, r io.ReadCloser) io.ReadCloser
	// Listed decides how often the n-th object of a listing is delivered (0,
	// 1, 2...), or ends the listing with an error.
	Listed func(n int, o store.Object) (times int, err error)

	creates, opens atomic.Int64
}

var _ store.Replacer = (*Faulty)(nil)

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

// Replace implements store.Replacer where Store does.
func (f *Faulty) Replace(ctx context.Context, name string, body []byte, etag string) (o store.Object, err error) {
	err = f.change(ctx, name, func() error {
		o, err = store.Replace(ctx, f.Store, name, body, etag)
		return err
	})
	return o, err
}

// Delete implements store.Replacer where Store does.
func (f *Faulty) Delete(ctx context.Context, name, etag string) error {
	return f.change(ctx, name, func() error { return store.Delete(ctx, f.Store, name, etag) })
}

func (f *Faulty) change(ctx context.Context, name string, do func() error) error {
	if f.BeforeChange != nil {
		if err := f.BeforeChange(ctx, name); err != nil {
			return err
		}
	}
	err := do()
	if f.AfterChange != nil {
		err = f.AfterChange(name, err)
	}
	return err
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
