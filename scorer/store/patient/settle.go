package patient

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/batchscore/batchscore/scorer/store"
)

// settle says what a create has come to that ended with err. When an earlier
// try of it may have taken effect, the object in its way may be its own.
func (e *errand) settle(ctx context.Context, body []byte, err error) (store.Object, error) {
	if e.tries == 0 || !errors.Is(err, store.ErrExist) {
		return store.Object{}, err
	}
	o, same, readErr := e.holds(ctx, body)
	switch {
	case errors.Is(readErr, store.ErrNotExist):
		return store.Object{}, err
	case readErr != nil:
		return store.Object{}, fmt.Errorf("create %q again, whose first answer was lost: %w", e.name, readErr)
	case !same:
		return store.Object{}, err
	}
	e.settled.Add(1)
	return o, nil
}

// holds reports whether the object stored has that body.
func (e *errand) holds(ctx context.Context, body []byte) (store.Object, bool, error) {
	r, o, err := e.Open(ctx, e.name, "")
	if err != nil {
		return o, false, err
	}
	defer r.Close()
	if o.Size != int64(len(body)) {
		return o, false, nil
	}
	stored, err := io.ReadAll(r)
	return o, bytes.Equal(stored, body), err
}
