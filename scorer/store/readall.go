package store

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// ReadAll returns the whole content of an object, and what the store says of it.
// A body of another length than the store said is ErrUnavailable.
func ReadAll(ctx context.Context, st Store, name string) ([]byte, Object, error) {
	r, o, err := st.Open(ctx, name, "")
	if err != nil {
		return nil, o, err
	}
	defer r.Close()
	body := make([]byte, 0, o.Size+1)
	for {
		n, err := r.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, o, fmt.Errorf("read %s of %s: %w", name, st, err)
		}
		if len(body) == cap(body) {
			body = append(body, 0)[:len(body)]
		}
	}
	if int64(len(body)) != o.Size {
		return nil, o, fmt.Errorf("read %s of %s: %d bytes of %d: %w", name, st, len(body), o.Size, ErrUnavailable)
	}
	return body, o, nil
}
