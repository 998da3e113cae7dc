package thumbnail

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/batchscore/batchscore/models/preprocess"
	"github.com/batchscore/batchscore/models/preprocess/codec"
	"github.com/batchscore/batchscore/scorer/listing"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/shard"
)

// bodiesMost is how many bytes of encoded images are in memory at once. One that is larger
// is there alone.
const bodiesMost = 128 << 20

// patience is how long one image is tried for. Stores that repeat what fails give up then:
// whoever waits for a page has less patience than a job.
const patience = 30 * time.Second

// mostInRow is how many images in a row may fail for a reason of the place.
const mostInRow = 3

// reader reads images in the version that was scored. Its methods may be called from any
// number of goroutines.
type reader struct {
	images   store.Store
	maxBytes int64
	room     *semaphore.Weighted
	patience time.Duration

	present atomic.Bool  // an image was found where it was listed
	inRow   atomic.Int32 // images that failed for a reason of the place, since one that did not
}

func newReader(images store.Store, opt *Options) *reader {
	o := opt.Decode
	most := o.MaxBytes
	if most == 0 {
		pixels := o.MaxPixels
		if pixels == 0 {
			pixels = preprocess.DefaultMaxPixels
		}
		most = preprocess.DefaultMaxBytes(pixels)
	}
	if o.MaxMemory > 0 {
		most = min(most, o.MaxMemory)
	}
	return &reader{images: images, maxBytes: most, room: semaphore.NewWeighted(bodiesMost), patience: patience}
}

// unreachable is an error of the place, not of one image.
type unreachable struct{ error }

func (u unreachable) Unwrap() error { return u.error }

// whole calls use with the bytes of an image, which are valid until use returns.
func (r *reader) whole(ctx context.Context, e shard.Entry, use func([]byte) error) error {
	return r.part(ctx, e, e.Size, use)
}

// part is whole for the first n bytes of an image.
func (r *reader) part(ctx context.Context, e shard.Entry, n int64, use func([]byte) error) error {
	n = min(n, e.Size)
	if n > r.maxBytes {
		return codec.Fail(codec.StatusTooLarge, "%d bytes, more than the %d that an image may have", e.Size, r.maxBytes)
	}
	weight := min(max(n, 1), bodiesMost)
	if err := r.room.Acquire(ctx, weight); err != nil {
		return err
	}
	defer r.room.Release(weight)
	src, err := r.read(ctx, e, n)
	if err != nil {
		return err
	}
	return use(src)
}

// read returns the first n bytes of an image.
func (r *reader) read(ctx context.Context, e shard.Entry, n int64) ([]byte, error) {
	limited, cancel := context.WithTimeout(ctx, r.patience)
	defer cancel()
	open := func() (io.ReadCloser, store.Object, error) {
		if n < e.Size && e.ETag != "" {
			return store.OpenRange(limited, r.images, e.Path, e.ETag, 0, n)
		}
		return r.images.Open(limited, e.Path, e.ETag)
	}
	object, info, err := open()
	if err != nil {
		return nil, r.explain(ctx, err)
	}
	defer object.Close()
	if info.Size != e.Size {
		return nil, ErrChanged
	}
	// One byte more than there should be shows that the object grew, and has the store say
	// whether it was replaced while it was read.
	src := make([]byte, n+1)
	got, err := io.ReadFull(object, src)
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF): // as it should be, unless it is shorter
		if int64(got) < n {
			return nil, ErrChanged
		}
	case err != nil:
		return nil, r.explain(ctx, err)
	case n == e.Size:
		return nil, ErrChanged
	}
	r.present.Store(true)
	r.inRow.Store(0)
	return src[:n], nil
}

// explain returns what an error of the store means for an image, or an unreachable.
func (r *reader) explain(ctx context.Context, err error) error {
	var why *store.Unreadable
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, store.ErrChanged):
		return ErrChanged
	case errors.Is(err, store.ErrNotExist):
		if !r.present.Load() {
			limited, cancel := context.WithTimeout(ctx, r.patience)
			defer cancel()
			if gone := listing.Present(limited, r.images); gone != nil {
				return fmt.Errorf("%w: %w", ErrNoAccess, gone)
			}
			r.present.Store(true)
		}
		return ErrGone
	case errors.As(err, &why):
		return errors.New("cannot be read: " + why.Why)
	case errors.Is(err, store.ErrUnreadable), errors.Is(err, store.ErrOutside), errors.Is(err, store.ErrName):
		return err
	case errors.Is(err, store.ErrDenied):
		return fmt.Errorf("%w: %w", ErrNoAccess, err)
	}
	return unreachable{err}
}

// judge returns what an error means for the image, or an ErrNoAccess if it is another one of
// many that the place is to blame for.
func (r *reader) judge(ctx context.Context, err error) error {
	var place unreachable
	if err == nil || ctx.Err() != nil || !errors.As(err, &place) {
		return err
	}
	if !r.present.Load() || r.inRow.Add(1) >= mostInRow {
		return fmt.Errorf("%w: %w", ErrNoAccess, place.error)
	}
	return place.error
}
