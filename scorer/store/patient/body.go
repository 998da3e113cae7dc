package patient

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/batchscore/batchscore/scorer/store"
)

// fruitless is how many bodies in a row may break without a byte before Read
// gives up.
const fruitless = 10

// Open implements store.Store. The reader counts as a call under way until it
// comes to the end or is closed.
func (s *Store) Open(ctx context.Context, name, etag string) (io.ReadCloser, store.Object, error) {
	return s.open(ctx, name, etag, 0, store.ToEnd)
}

// OpenRange implements store.Ranger.
func (s *Store) OpenRange(ctx context.Context, name, etag string, offset, length int64) (io.ReadCloser, store.Object, error) {
	if _, ok := store.As[store.Ranger](s.inner); !ok {
		return store.OpenRange(ctx, s, name, etag, offset, length) // which calls Open
	}
	if err := store.CheckRange(name, etag, offset, length); err != nil {
		return nil, store.Object{}, err
	}
	return s.open(ctx, name, etag, offset, length)
}

func (s *Store) open(ctx context.Context, name, etag string, offset, length int64) (io.ReadCloser, store.Object, error) {
	b := &body{op: s.operation("open", name), ctx: ctx, object: store.Object{ETag: etag}, offset: offset, left: length}
	o, err := b.open()
	if err != nil {
		return nil, store.Object{}, err
	}
	b.object = o
	if rest := o.Size - offset; length == store.ToEnd || length > rest {
		b.left = rest
	}
	return b, o, nil
}

// body reads one version of an object through any number of calls.
type body struct {
	op     *operation
	ctx    context.Context //nolint:containedctx // a reader is bound to the context it was opened with
	object store.Object
	offset int64 // of the next byte
	left   int64 // bytes from offset on, or store.ToEnd until the object is open

	a       *attempt      // the call that r belongs to
	r       io.ReadCloser // nil between two calls
	failure error         // how the last call broke, a store.Transient
	barren  int           // calls in a row that broke without a byte
	err     error         // what every further Read returns
}

// open makes a call that begins at the offset, and returns the object.
func (b *body) open() (store.Object, error) {
	var o store.Object
	a, err := b.op.try(b.ctx, b.op.s.opt.Stall, func(a *attempt) (err error) {
		if !b.whole() { // first: the search for a Ranger costs every image time
			if ranger, ok := store.As[store.Ranger](b.op.s.inner); ok {
				b.r, o, err = ranger.OpenRange(a.ctx, b.op.name, b.object.ETag, b.offset, b.length())
				return err
			}
		}
		b.r, o, err = b.op.s.inner.Open(a.ctx, b.op.name, b.object.ETag)
		if err != nil || b.offset == 0 {
			return err
		}
		return b.skip(a)
	})
	b.a = a
	if err != nil {
		b.r = nil
	}
	return o, err
}

// whole reports whether all of the object is still to be read.
func (b *body) whole() bool {
	return b.offset == 0 && (b.left == store.ToEnd || b.left == b.object.Size)
}

// length returns the length of the range to ask for.
func (b *body) length() int64 {
	if b.object.Size > 0 && b.offset+b.left == b.object.Size {
		return store.ToEnd
	}
	return b.left
}

// skip reads up to the offset, of a store that cannot begin there.
func (b *body) skip(a *attempt) error {
	buf := make([]byte, 32<<10)
	for left := b.offset; left > 0; {
		a.watch(b.op.s.opt.Stall)
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

// read makes one Read of the call under way. It ends the call on an error that
// is worth another call.
func (b *body) read(p []byte) (int, error) {
	var end [1]byte
	switch {
	case b.left == 0 && b.offset < b.object.Size:
		return 0, io.EOF // the end of a range
	case b.left == 0:
		p = end[:] // reads the end too, in case the object is longer
	case b.left < int64(len(p)):
		p = p[:b.left]
	}
	b.a.watch(b.op.s.opt.Stall)
	n, err := b.r.Read(p)
	b.a.unwatch()
	if n > 0 && b.left == 0 {
		return 0, fmt.Errorf("read %q: %w: it is longer than %d bytes", b.op.name, store.ErrChanged, b.object.Size)
	}
	if n > 0 {
		b.offset += int64(n)
		b.left -= int64(n)
		b.barren = 0
		b.op.progress()
	}
	if err == nil {
		return n, nil
	}
	if err == io.EOF && b.left > 0 {
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
	if b.left == 0 {
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
		b.op.last = t
		return 0, b.op.giveUp()
	}
	return 0, nil
}

// resume opens the rest of a body that broke.
func (b *body) resume() error {
	b.op.what = "read"
	if err := b.op.pause(b.ctx, b.failure); err != nil {
		return err
	}
	o, err := b.open()
	if err != nil {
		return err
	}
	if o.ETag != b.object.ETag || o.Size != b.object.Size {
		return fmt.Errorf("read %q: %w: it had the ETag %s and %d bytes when it was opened, and has %s and %d",
			b.op.name, store.ErrChanged, b.object.ETag, b.object.Size, o.ETag, o.Size)
	}
	b.op.s.resumed.Add(1)
	return nil
}

// end ends the call and makes every further Read return err.
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
	_ = b.end(errClosed) // returns its argument
	return nil
}
