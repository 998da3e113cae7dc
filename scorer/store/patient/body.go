package patient

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/batchscore/batchscore/scorer/store"
)

// fruitless is how many bodies in a row may break without a byte before the
// object is given up.
const fruitless = 10

// Open implements store.Store. The reader holds one of the calls that may be
// under way until it comes to the end or is closed.
func (s *Store) Open(ctx context.Context, name, etag string) (io.ReadCloser, store.Object, error) {
	return s.open(ctx, name, etag, 0)
}

// OpenAt implements store.Ranger, also around a store that is none.
func (s *Store) OpenAt(ctx context.Context, name, etag string, offset int64) (io.ReadCloser, store.Object, error) {
	return s.open(ctx, name, etag, offset)
}

func (s *Store) open(ctx context.Context, name, etag string, offset int64) (io.ReadCloser, store.Object, error) {
	b := &body{errand: s.errand("open", name), ctx: ctx, object: store.Object{ETag: etag}, offset: offset}
	o, err := b.open()
	if err != nil {
		return nil, store.Object{}, err
	}
	b.object = o
	return b, o, nil
}

// body reads one version of an object through any number of calls.
type body struct {
	*errand
	ctx    context.Context //nolint:containedctx // a reader is bound to the context it was opened with
	object store.Object
	offset int64 // of the next byte

	a       *attempt      // the call that r belongs to
	r       io.ReadCloser // nil between two calls
	failure error         // how the last call broke, a store.Transient
	barren  int           // calls in a row that broke without a byte
	err     error         // what every further Read returns
}

// open makes a call that begins at the offset, and returns what it is of.
func (b *body) open() (store.Object, error) {
	var o store.Object
	a, err := b.try(b.ctx, b.opt.Stall, func(a *attempt) (err error) {
		ranger, ok := b.inner.(store.Ranger)
		switch {
		case b.offset == 0:
			b.r, o, err = b.inner.Open(a.ctx, b.name, b.object.ETag)
		case ok:
			b.r, o, err = ranger.OpenAt(a.ctx, b.name, b.object.ETag, b.offset)
		default:
			b.r, o, err = b.inner.Open(a.ctx, b.name, b.object.ETag)
			if err == nil {
				err = b.skip(a)
			}
		}
		return err
	})
	b.a = a
	if err != nil {
		b.r = nil
	}
	return o, err
}

// skip reads up to the offset, of a store that cannot begin there.
func (b *body) skip(a *attempt) error {
	buf := make([]byte, 32<<10)
	for left := b.offset; left > 0; {
		a.watch(b.opt.Stall)
		n, err := b.r.Read(buf[:min(left, int64(len(buf)))])
		left -= int64(n)
		if left > 0 && err != nil {
			b.r.Close()
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
	}
	return nil
}

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	if len(p) == 0 {
		return 0, nil
	}
	for {
		if b.r == nil {
			if err := b.resume(); err != nil {
				return 0, b.end(err)
			}
		}
		n, err := b.read(p)
		switch {
		case err != nil:
			return n, b.end(err)
		case n > 0 || b.r != nil:
			return n, nil
		}
	}
}

// read makes one Read of the call under way, and breaks the call off where it
// is worth another.
func (b *body) read(p []byte) (int, error) {
	left := b.object.Size - b.offset
	var end [1]byte
	if left == 0 {
		p = end[:] // the end is read too, lest the object be longer
	} else if left < int64(len(p)) {
		p = p[:left]
	}
	b.a.watch(b.opt.Stall)
	n, err := b.r.Read(p)
	b.a.unwatch()
	if n > 0 && left == 0 {
		return 0, fmt.Errorf("read %q: %w: it is longer than %d bytes", b.name, store.ErrChanged, b.object.Size)
	}
	if n > 0 {
		b.offset += int64(n)
		b.barren = 0
		b.progress()
	}
	left -= int64(n)
	if err == nil {
		return n, nil
	}
	if err == io.EOF && left > 0 {
		err = io.ErrUnexpectedEOF
	}
	if err == io.EOF {
		return n, err
	}
	err = b.a.verdict(err)
	t, ok := store.AsTransient(err)
	if !ok {
		return n, err
	}
	if left == 0 {
		return n, io.EOF
	}
	b.failure = &store.Transient{After: t.After, Throttled: t.Throttled,
		Err: fmt.Errorf("at byte %d of %d: %w", b.offset, b.object.Size, t.Err)}
	b.r.Close()
	b.r = nil
	b.a.end(err)
	if n > 0 {
		return n, nil
	}
	if b.barren++; b.barren > fruitless {
		b.last = t
		return 0, b.giveUp()
	}
	return 0, nil
}

// resume opens the rest of a body that broke.
func (b *body) resume() error {
	b.what = "read"
	if err := b.pause(b.ctx, b.failure); err != nil {
		return err
	}
	o, err := b.open()
	if err != nil {
		return err
	}
	if o.ETag != b.object.ETag || o.Size != b.object.Size {
		return fmt.Errorf("read %q: %w: it had the ETag %s and %d bytes when it was opened, and has %s and %d",
			b.name, store.ErrChanged, b.object.ETag, b.object.Size, o.ETag, o.Size)
	}
	b.resumed.Add(1)
	return nil
}

// end makes err the answer to every further Read, and ends the call.
func (b *body) end(err error) error {
	if b.err == nil {
		b.err = err
	}
	if b.r != nil {
		b.r.Close()
		b.r = nil
	}
	if b.a != nil {
		if err == io.EOF {
			err = nil
		}
		b.a.end(err)
		b.a = nil
	}
	return b.err
}

var errClosed = errors.New("read after Close")

// Close implements io.Closer.
func (b *body) Close() error {
	_ = b.end(errClosed) // which gives its argument back
	return nil
}
