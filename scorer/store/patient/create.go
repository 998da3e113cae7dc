package patient

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/batchscore/batchscore/scorer/store"
)

var (
	_ store.Streamer       = (*Store)(nil)
	_ store.StreamReplacer = (*Store)(nil)
	_ store.Volatile       = (*Store)(nil)
)

// slowest is the slowest upload, in bytes a second, that is not a stall yet.
const slowest = 64 << 10

// uploadTime returns how long one request that sends so many bytes may take.
func (s *Store) uploadTime(bytes int) time.Duration {
	return s.opt.Stall + time.Duration(bytes)*time.Second/slowest
}

// Create implements store.Store.
func (s *Store) Create(ctx context.Context, name string, body []byte) (store.Object, error) {
	return s.create(ctx, name, body, s.inner.Create)
}

// CreateVolatile implements store.Volatile.
func (s *Store) CreateVolatile(ctx context.Context, name string, body []byte) (store.Object, error) {
	return s.create(ctx, name, body, func(ctx context.Context, name string, body []byte) (store.Object, error) {
		return store.CreateVolatile(ctx, s.inner, name, body)
	})
}

func (s *Store) create(
	ctx context.Context, name string, body []byte,
	create func(ctx context.Context, name string, body []byte) (store.Object, error),
) (store.Object, error) {
	op := s.operation("create", name)
	var o store.Object
	a, err := op.try(ctx, s.uploadTime(len(body)), func(a *attempt) (err error) {
		o, err = create(a.ctx, name, body)
		return err
	})
	if err != nil {
		return op.settle(ctx, body, err)
	}
	a.end(nil)
	return o, nil
}

// settle returns the outcome of a create that ended with err. When an earlier
// try of it may have taken effect, the object that exists may be its own.
func (op *operation) settle(ctx context.Context, body []byte, err error) (store.Object, error) {
	if op.tries == 0 || !errors.Is(err, store.ErrExist) {
		return store.Object{}, err
	}
	o, same, readErr := op.holds(ctx, body)
	switch {
	case errors.Is(readErr, store.ErrNotExist):
		return store.Object{}, err
	case readErr != nil:
		return store.Object{}, fmt.Errorf("create %q again, whose first answer was lost: %w", op.name, readErr)
	case !same:
		return store.Object{}, err
	}
	op.s.settled.Add(1)
	return o, nil
}

// holds reports whether the object exists with that body, and returns it.
func (op *operation) holds(ctx context.Context, body []byte) (store.Object, bool, error) {
	r, o, err := op.s.Open(ctx, op.name, "")
	if err != nil {
		return o, false, err
	}
	defer r.Close()
	if o.Size != int64(len(body)) {
		return o, false, nil
	}
	stored, err := io.ReadAll(io.LimitReader(r, o.Size+1))
	return o, bytes.Equal(stored, body), err
}

// largest is the most bytes that one request of a stream sends.
const largest = 8 << 20

// CreateFrom implements store.Streamer. retry comes around the store's own tries.
func (s *Store) CreateFrom(ctx context.Context, name string, retry store.Retry, write func(io.Writer) error) (store.Object, error) {
	inner, ok := store.As[store.Streamer](s.inner)
	if !ok {
		return store.CreateFrom(ctx, s, name, write) // which creates from memory
	}
	return inner.CreateFrom(ctx, name, s.around(retry, "create", name), write)
}

// ReplaceFrom implements store.StreamReplacer. retry comes around the store's own tries.
func (s *Store) ReplaceFrom(
	ctx context.Context, name, etag string, retry store.Retry, write func(io.Writer) error,
) (store.Object, error) {
	inner, ok := store.As[store.StreamReplacer](s.inner)
	if !ok {
		return store.ReplaceFrom(ctx, s, name, etag, write) // which replaces from memory
	}
	return inner.ReplaceFrom(ctx, name, etag, s.around(retry, "replace", name), write)
}

// around returns what a place makes the requests of a stream through: the store's own
// tries within those of retry.
func (s *Store) around(retry store.Retry, what, name string) store.Retry {
	own := s.retry(what, name, s.uploadTime(largest))
	return func(ctx context.Context, request func(context.Context) error) error {
		return retry(ctx, func(ctx context.Context) error { return own(ctx, request) })
	}
}

// retry returns what a place makes its own requests through. limit bounds each of
// them as attempt.watch does.
func (s *Store) retry(what, name string, limit time.Duration) store.Retry {
	return func(ctx context.Context, request func(context.Context) error) error {
		a, err := s.operation(what, name).try(ctx, limit, func(a *attempt) error { return request(a.ctx) })
		if err == nil {
			a.end(nil)
		}
		return err
	}
}

var _ store.Maker = (*Store)(nil)

// Make implements store.Maker.
func (s *Store) Make(ctx context.Context) (made bool, err error) {
	err = s.retry("make the container of", s.String(), s.opt.Stall)(ctx, func(ctx context.Context) error {
		tried, err := store.Make(ctx, s.inner)
		made = made || tried
		return err
	})
	return made, err
}
