package storetest

import (
	"context"
	"io"
	"sync/atomic"

	"github.com/batchscore/batchscore/scorer/store"
)

// Faulty passes every call on to Store, except for what its hooks do. Hooks that
// are nil do nothing. Any number of goroutines may call the others. Calls of each
// kind are counted from 0. It has no abilities but those to read ranges, to create
// volatile objects, to replace and to have neighbors, where Store has them. A neighbor has the
// same hooks, and numbers of its own.
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

var (
	_ store.Decorator = (*Faulty)(nil)
	_ store.Ranger    = (*Faulty)(nil)
	_ store.Volatile  = (*Faulty)(nil)
	_ store.Replacer  = (*Faulty)(nil)

	_ store.Neighborly = (*Faulty)(nil)
)

// Neighbor implements store.Neighborly.
func (f *Faulty) Neighbor(place string) (store.Store, error) {
	inner, err := store.Neighbor(f.Store, place)
	if err != nil {
		return nil, err
	}
	return &Faulty{Store: inner, BeforeCreate: f.BeforeCreate, AfterCreate: f.AfterCreate, BeforeChange: f.BeforeChange,
		AfterChange: f.AfterChange, BeforeOpen: f.BeforeOpen, Body: f.Body, Listed: f.Listed}, nil
}

// Unwrap implements store.Decorator.
func (f *Faulty) Unwrap() store.Store { return f.Store }

// Create implements store.Store.
func (f *Faulty) Create(ctx context.Context, name string, body []byte) (store.Object, error) {
	return f.create(ctx, name, body, f.Store.Create)
}

// CreateVolatile implements store.Volatile. Hooks and numbers are those of Create.
func (f *Faulty) CreateVolatile(ctx context.Context, name string, body []byte) (store.Object, error) {
	return f.create(ctx, name, body, func(ctx context.Context, name string, body []byte) (store.Object, error) {
		return store.CreateVolatile(ctx, f.Store, name, body)
	})
}

func (f *Faulty) create(
	ctx context.Context, name string, body []byte,
	create func(ctx context.Context, name string, body []byte) (store.Object, error),
) (store.Object, error) {
	n := int(f.creates.Add(1)) - 1
	if f.BeforeCreate != nil {
		if err := f.BeforeCreate(ctx, n, name, body); err != nil {
			return store.Object{}, err
		}
	}
	o, err := create(ctx, name, body)
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

// Replace implements store.Replacer.
func (f *Faulty) Replace(ctx context.Context, name string, body []byte, etag string) (o store.Object, err error) {
	err = f.change(ctx, name, func() error {
		o, err = store.Replace(ctx, f.Store, name, body, etag)
		return err
	})
	return o, err
}

// Delete implements store.Replacer.
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
	return f.open(ctx, name, func() (io.ReadCloser, store.Object, error) { return f.Store.Open(ctx, name, etag) })
}

// OpenRange implements store.Ranger. Hooks and numbers are those of Open.
func (f *Faulty) OpenRange(ctx context.Context, name, etag string, offset, length int64) (io.ReadCloser, store.Object, error) {
	return f.open(ctx, name, func() (io.ReadCloser, store.Object, error) {
		return store.OpenRange(ctx, f.Store, name, etag, offset, length)
	})
}

func (f *Faulty) open(
	ctx context.Context, name string, open func() (io.ReadCloser, store.Object, error),
) (io.ReadCloser, store.Object, error) {
	n := int(f.opens.Add(1)) - 1
	if f.BeforeOpen != nil {
		if err := f.BeforeOpen(ctx, n, name); err != nil {
			return nil, store.Object{}, err
		}
	}
	r, o, err := open()
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
