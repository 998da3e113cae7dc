package store

import (
	"context"
	"io"
	"strings"
)

// Sub is the part of a store below folder, which ends in a slash, as a store of
// its own. A folder in which nothing lies is an empty store.
type Sub struct {
	whole  Store
	folder string
}

var (
	_ Replacer = (*Sub)(nil)
	_ Volatile = (*Sub)(nil)
)

// NewSub returns the part of whole below folder, which ends in a slash.
func NewSub(whole Store, folder string) *Sub { return &Sub{whole, folder} }

// Unwrap returns the whole store.
func (s *Sub) Unwrap() Store { return s.whole }

// Folder is where it begins in the whole store, and ends in a slash.
func (s *Sub) Folder() string { return s.folder }

// String names the place.
func (s *Sub) String() string {
	return strings.TrimSuffix(s.whole.String(), "/") + "/" + strings.TrimSuffix(s.folder, "/")
}

func (s *Sub) inside(o Object) Object {
	o.Name = strings.TrimPrefix(o.Name, s.folder)
	return o
}

// List implements Store.
func (s *Sub) List(ctx context.Context, prefix string, fn func(Object) error) error {
	return s.whole.List(ctx, s.folder+prefix, func(o Object) error { return fn(s.inside(o)) })
}

// Names implements what the function Names asks for.
func (s *Sub) Names(ctx context.Context, prefix string, fn func(name string) error) error {
	return Names(ctx, s.whole, s.folder+prefix, func(name string) error { return fn(strings.TrimPrefix(name, s.folder)) })
}

// Open implements Store.
func (s *Sub) Open(ctx context.Context, name, etag string) (io.ReadCloser, Object, error) {
	r, o, err := s.whole.Open(ctx, s.folder+name, etag)
	return r, s.inside(o), err
}

// Create implements Store.
func (s *Sub) Create(ctx context.Context, name string, body []byte) (Object, error) {
	o, err := s.whole.Create(ctx, s.folder+name, body)
	return s.inside(o), err
}

// CreateVolatile implements Volatile.
func (s *Sub) CreateVolatile(ctx context.Context, name string, body []byte) (Object, error) {
	o, err := CreateVolatile(ctx, s.whole, s.folder+name, body)
	return s.inside(o), err
}

// CreateFrom implements what the function CreateFrom asks for.
func (s *Sub) CreateFrom(ctx context.Context, name string, write func(io.Writer) error) (Object, error) {
	o, err := CreateFrom(ctx, s.whole, s.folder+name, write)
	return s.inside(o), err
}

// Replace implements Replacer.
func (s *Sub) Replace(ctx context.Context, name string, body []byte, etag string) (Object, error) {
	o, err := Replace(ctx, s.whole, s.folder+name, body, etag)
	return s.inside(o), err
}

// Delete implements Replacer.
func (s *Sub) Delete(ctx context.Context, name, etag string) error {
	return Delete(ctx, s.whole, s.folder+name, etag)
}
