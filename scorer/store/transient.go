package store

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Retry makes a request, more than once if that may help, and returns the error
// of the last time. Any goroutine may call it.
type Retry func(ctx context.Context, request func(context.Context) error) error

// Once is a Retry that makes each request once.
func Once(ctx context.Context, request func(context.Context) error) error { return request(ctx) }

// Transient is an ErrUnavailable that is worth another try: throttling, a
// server's error, a broken connection. A lasting condition (no space left, a
// read-only file system) is ErrUnavailable without it.
type Transient struct {
	// After is how long the place asks to wait; 0 if it does not say.
	After time.Duration
	// Throttled means that the place gets too many requests, from us or others.
	Throttled bool
	// Answered means that the place itself gave an answer, and that its address is
	// right for that reason.
	Answered bool
	Err      error
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
