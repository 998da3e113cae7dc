package store

import (
	"bytes"
	"context"
	"fmt"
	"io"
)

// Replacer is a Store that can change what is there, which only the end of a
// retry and a repair ask for. Both calls name the version that is meant: with
// another there, or none, they return ErrChanged or ErrNotExist and change
// nothing. After any other error whoever needs to know reads the object.
//
// Where two callers replace the same version at the same moment, one of them may
// get ErrChanged or, in a folder, both may succeed and the last one's body stays.
type Replacer interface {
	Store
	// Replace puts body in the place of the version with that ETag. Readers see
	// the one or the other, whole. Once it returns nil, the object survives a
	// crash of this machine.
	Replace(ctx context.Context, name string, body []byte, etag string) (Object, error)
	// Delete removes the version with that ETag.
	Delete(ctx context.Context, name, etag string) error
}

// Replace is Replacer.Replace of a store that can, and an error of any other.
func Replace(ctx context.Context, st Store, name string, body []byte, etag string) (Object, error) {
	r, ok := st.(Replacer)
	if !ok {
		return Object{}, fmt.Errorf("replace %q in %s: %w: this kind of place only creates", name, st, ErrDenied)
	}
	return r.Replace(ctx, name, body, etag)
}

// Delete is Replacer.Delete of a store that can, and an error of any other.
func Delete(ctx context.Context, st Store, name, etag string) error {
	r, ok := st.(Replacer)
	if !ok {
		return fmt.Errorf("delete %q in %s: %w: this kind of place only creates", name, st, ErrDenied)
	}
	return r.Delete(ctx, name, etag)
}

// CreateFrom is Create of what write writes, which is called once. It is not held
// as a whole where the place takes it in pieces.
func CreateFrom(ctx context.Context, st Store, name string, write func(io.Writer) error) (Object, error) {
	switch s := st.(type) {
	case interface {
		CreateFrom(ctx context.Context, name string, write func(io.Writer) error) (Object, error)
	}:
		return s.CreateFrom(ctx, name, write)
	case Streamer:
		once := func(ctx context.Context, request func(context.Context) error) error { return request(ctx) }
		return s.CreateFromWith(ctx, name, once, write)
	}
	var body bytes.Buffer
	if err := write(&body); err != nil {
		return Object{}, err
	}
	return st.Create(ctx, name, body.Bytes())
}
