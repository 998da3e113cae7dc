package patient

import (
	"bytes"
	"context"
	"io"
	"time"

	"github.com/batchscore/batchscore/scorer/store"
)

// largest is how many bytes one request of a stream sends at most.
const largest = 8 << 20

// CreateFrom is Create of what write writes, which may be larger than memory
// where the place is a store.Streamer. write is called once.
func (s *Store) CreateFrom(ctx context.Context, name string, write func(io.Writer) error) (store.Object, error) {
	inner, ok := s.inner.(store.Streamer)
	if !ok {
		var body bytes.Buffer
		if err := write(&body); err != nil {
			return store.Object{}, err
		}
		return s.Create(ctx, name, body.Bytes())
	}
	return inner.CreateFromWith(ctx, name, s.retry("create", name, s.opt.Stall+largest*time.Second/slowest), write)
}

// retry is what a place makes its own requests through. limit bounds each of
// them as attempt.watch does.
func (s *Store) retry(what, name string, limit time.Duration) store.Retry {
	return func(ctx context.Context, request func(context.Context) error) error {
		a, err := s.errand(what, name).try(ctx, limit, func(a *attempt) error { return request(a.ctx) })
		if err == nil {
			a.end(nil)
		}
		return err
	}
}
