// Package store is where all workers meet: a flat name space of immutable objects,
// in which workers write only by creating. Only a retry and a repair replace
// objects, in stores that can (Replacer).
//
// Names are slash-separated byte strings relative to the store's root, exactly
// as the place itself spells them: never cleaned, never case-folded, never
// Unicode-normalised.
//
// Store is what every storage does. What some can do besides is in abilities.go.
// A Transient is an error that is worth another try. Sub is a part of a store.
package store

import (
	"context"
	"errors"
	"io"
	"time"
)

// Errors that a Store returns, wrapped with what, where and what to do next.
// Test for them with errors.Is.
var (
	// ErrNotExist means that no object has that name.
	ErrNotExist = errors.New("does not exist")
	// ErrExist means that an object of that name was there before.
	ErrExist = errors.New("exists already")
	// ErrChanged means that the object no longer has the ETag asked for, or
	// changed while it was read.
	ErrChanged = errors.New("changed since it was listed")
	// ErrUnreadable means that this one object cannot be read (its mode forbids
	// it, or its part of the disk is damaged). The other objects may be readable.
	// Another error next to it names the kind of trouble; a Transient among them
	// means that another try may help.
	ErrUnreadable = errors.New("object is not readable")
	// ErrDenied means that the place refuses these credentials or permissions, or
	// that there is no such place, as a host or a container that does not exist. Its
	// text then says so.
	ErrDenied = errors.New("access refused")
	// ErrUnavailable means that the place cannot serve now (no space left, quota,
	// read-only, throttled past the deadline); trying again later may help.
	ErrUnavailable = errors.New("storage unavailable")
	// ErrName means that no object of the place can have that name.
	ErrName = errors.New("the place cannot hold this name")
	// ErrOutside means that an object is a link to something outside the place, where
	// such links are not followed.
	ErrOutside = errors.New("a link leads out of the place")
	// ErrUnfit means that the place cannot do what every store must: create an
	// object whole and once.
	ErrUnfit = errors.New("this place cannot hold a result")
)

// Unreadable is an ErrUnreadable with its reason.
type Unreadable struct {
	// Why is the reason without the place, in the same words for every worker and
	// every try.
	Why string
	Err error
}

func (u *Unreadable) Error() string { return u.Err.Error() }

// Unwrap makes an Unreadable an ErrUnreadable.
func (u *Unreadable) Unwrap() []error { return []error{u.Err, ErrUnreadable} }

// Object describes one stored object.
type Object struct {
	Name string
	Size int64
	// ETag changes whenever the object's content is replaced. It is compared,
	// never parsed.
	ETag string
	// MD5 is the digest of the content, 16 bytes, where the place knows it.
	MD5 string
	// Modified is the creation time by the store's clock, the only clock that
	// decides how old a claim is.
	Modified time.Time
	// Linked reports whether the object was listed beneath a link to a folder.
	Linked bool
}

// Store is safe for use by any number of goroutines and processes at once.
// A cancelled context ends every call early with the context's error.
type Store interface {
	// String names the place for messages; it never contains a secret.
	String() string

	// List calls fn once for every object whose name begins with prefix, in no
	// particular order. It stops at fn's first error and returns it. Any other
	// error means that the listing is incomplete and must not be used. If no
	// name begins with prefix, the listing is empty, which is not an error. A
	// root that does not exist is ErrNotExist.
	List(ctx context.Context, prefix string, fn func(Object) error) error

	// Open opens an object for reading. The caller closes the reader. With a
	// non-empty etag it returns ErrChanged unless the object still has that
	// ETag. A Read never returns a mix of two versions: when the object was
	// replaced meanwhile, it returns ErrChanged or continues with the old one.
	Open(ctx context.Context, name, etag string) (io.ReadCloser, Object, error)

	// Create stores body under name, whole or not at all, unless an object of
	// that name exists: then it returns ErrExist and changes nothing. Once it
	// returns nil, the object survives a crash of this machine. The returned
	// Object has the time of creation by the store's clock. After any other
	// error the object may or may not exist: the caller has to read it to know.
	Create(ctx context.Context, name string, body []byte) (Object, error)
}
