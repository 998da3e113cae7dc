package store

import (
	"context"
	"io"
	"strings"
)

// Sub is the part of a store below a folder, as a store of its own. If nothing
// exists below the folder, it is an empty store. It has the abilities of the
// whole store.
type Sub struct {
	whole  Store
	folder string
}

var (
	_ Decorator      = (*Sub)(nil)
	_ Ranger         = (*Sub)(nil)
	_ Namer          = (*Sub)(nil)
	_ PagedLister    = (*Sub)(nil)
	_ Streamer       = (*Sub)(nil)
	_ Volatile       = (*Sub)(nil)
	_ Replacer       = (*Sub)(nil)
	_ StreamReplacer = (*Sub)(nil)
	_ Maker          = (*Sub)(nil)
	_ Neighborly     = (*Sub)(nil)
	_ FolderLister   = (*Sub)(nil)
)

// NewSub returns the part of whole below folder, which ends in a slash.
func NewSub(whole Store, folder string) *Sub { return &Sub{whole, folder} }

// Unwrap returns the whole store.
func (s *Sub) Unwrap() Store { return s.whole }

// Folder returns the folder in the whole store. It ends in a slash.
func (s *Sub) Folder() string { return s.folder }

// String names the place.
func (s *Sub) String() string {
	return strings.TrimSuffix(s.whole.String(), "/") + "/" + strings.TrimSuffix(s.folder, "/")
}

// inside returns an object of the whole store under its name in s.
func (s *Sub) inside(o Object) Object {
	o.Name = strings.TrimPrefix(o.Name, s.folder)
	return o
}

// List implements Store.
func (s *Sub) List(ctx context.Context, prefix string, fn func(Object) error) error {
	return s.whole.List(ctx, s.folder+prefix, func(o Object) error { return fn(s.inside(o)) })
}

// ListPages implements PagedLister.
func (s *Sub) ListPages(ctx context.Context, prefix string, retry Retry, fn func(Object) error) error {
	whole, ok := As[PagedLister](s.whole)
	if !ok {
		return s.List(ctx, prefix, fn)
	}
	return whole.ListPages(ctx, s.folder+prefix, retry, func(o Object) error { return fn(s.inside(o)) })
}

// Names implements Namer.
func (s *Sub) Names(ctx context.Context, prefix string, fn func(name string) error) error {
	return Names(ctx, s.whole, s.folder+prefix, func(name string) error { return fn(strings.TrimPrefix(name, s.folder)) })
}

// Open implements Store.
func (s *Sub) Open(ctx context.Context, name, etag string) (io.ReadCloser, Object, error) {
	r, o, err := s.whole.Open(ctx, s.folder+name, etag)
	return r, s.inside(o), err
}

// OpenRange implements Ranger.
func (s *Sub) OpenRange(ctx context.Context, name, etag string, offset, length int64) (io.ReadCloser, Object, error) {
	r, o, err := OpenRange(ctx, s.whole, s.folder+name, etag, offset, length)
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

// CreateFrom implements Streamer.
func (s *Sub) CreateFrom(ctx context.Context, name string, retry Retry, write func(io.Writer) error) (Object, error) {
	o, err := createFrom(ctx, s.whole, s.folder+name, retry, write)
	return s.inside(o), err
}

// Replace implements Replacer.
func (s *Sub) Replace(ctx context.Context, name string, body []byte, etag string) (Object, error) {
	o, err := Replace(ctx, s.whole, s.folder+name, body, etag)
	return s.inside(o), err
}

// Make implements Maker. It makes the root of the whole store.
func (s *Sub) Make(ctx context.Context) (bool, error) { return Make(ctx, s.whole) }

// ReplaceFrom implements StreamReplacer.
func (s *Sub) ReplaceFrom(ctx context.Context, name, etag string, retry Retry, write func(io.Writer) error) (Object, error) {
	o, err := replaceFrom(ctx, s.whole, s.folder+name, etag, retry, write)
	return s.inside(o), err
}

// Delete implements Replacer.
func (s *Sub) Delete(ctx context.Context, name, etag string) error {
	return Delete(ctx, s.whole, s.folder+name, etag)
}

// Neighbor implements Neighborly.
func (s *Sub) Neighbor(place string) (Store, error) {
	if !IsRelative(place) {
		return Neighbor(s.whole, place)
	}
	folder, ok := Join(strings.TrimSuffix(s.folder, "/"), place)
	if !ok {
		return nil, OtherStorage(s, place)
	}
	if folder == "" {
		return s.whole, nil
	}
	return NewSub(s.whole, folder+"/"), nil
}

// Folders implements FolderLister.
func (s *Sub) Folders(ctx context.Context, in string, retry Retry, fn func(name string) error) error {
	return folders(ctx, s.whole, s.folder+in, retry, fn)
}
