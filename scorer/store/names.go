package store

import "context"

// Names calls fn for the name of every object that List would name, with what
// List promises. A store that can tell names for less than objects has a method
// Names of its own: a folder need not look at each of its files for that.
func Names(ctx context.Context, s Store, prefix string, fn func(name string) error) error {
	if n, ok := s.(interface {
		Names(ctx context.Context, prefix string, fn func(name string) error) error
	}); ok {
		return n.Names(ctx, prefix, fn)
	}
	return s.List(ctx, prefix, func(o Object) error { return fn(o.Name) })
}
