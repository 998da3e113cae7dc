package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// Ranger is a Store that can go on in the middle of an object, as a broken
// transfer asks for.
type Ranger interface {
	Store
	// OpenAt is Open from an offset on, in bytes, 0 <= offset < size. The
	// returned Object still tells the whole object's size. An etag is required:
	// without it two halves could belong to two versions.
	OpenAt(ctx context.Context, name, etag string, offset int64) (io.ReadCloser, Object, error)
}

// Lister is a Store whose listings take many requests, each of which can be
// made again. Without it, a request that fails begins the listing anew.
type Lister interface {
	Store
	// ListWith is List that makes each of its requests through retry.
	ListWith(ctx context.Context, prefix string, retry Retry, fn func(Object) error) error
}

// Streamer is a Store that can create objects larger than memory.
type Streamer interface {
	Store
	// CreateFromWith is Create whose body is what write writes, which is called
	// once. It makes each of its requests through retry. When write fails,
	// nothing is created and its error is returned.
	CreateFromWith(ctx context.Context, name string, retry Retry, write func(io.Writer) error) (Object, error)
}

// Retry makes a request, more than once if that is worth it, and returns the
// error of the last time. Any goroutine may call it.
type Retry func(ctx context.Context, request func(context.Context) error) error

// Transient is an ErrUnavailable that is worth another try: throttling, a
// server's error, a connection that broke. What lasts (no space left, a
// read-only file system) is ErrUnavailable without it.
type Transient struct {
	// After is how long the place asks to be left alone; 0 if it does not say.
	After time.Duration
	// Throttled reports whether the place is asked too much, by us or by others.
	Throttled bool
	Err       error
}

func (t *Transient) Error() string {
	if t.After > 0 {
		return fmt.Sprintf("%v (asks to wait %v)", t.Err, t.After)
	}
	return t.Err.Error()
}

// Unwrap makes a Transient an ErrUnavailable.
func (t *Transient) Unwrap() []error { return []error{t.Err, ErrUnavailable} }

// AsTransient returns the Transient in err, if there is one.
func AsTransient(err error) (*Transient, bool) {
	var t *Transient
	ok := errors.As(err, &t)
	return t, ok
}
