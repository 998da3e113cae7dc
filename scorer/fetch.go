package scorer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/batchscore/batchscore/models/preprocess/codec"
	"github.com/batchscore/batchscore/scorer/listing"
	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/telemetry"
	"github.com/batchscore/batchscore/shard"
)

// body is the encoded bytes of one image, in memory that is used again.
type body struct {
	data   []byte
	weight int64 // what it holds of the byte budget
}

// keepBody is the largest body buffer that is kept for the next image, so that
// one huge file does not pin its size for good.
const keepBody = 4 << 20

// fetch reads the images' bytes, several at a time, within the byte budget.
func (p *pipeline) fetch(ctx context.Context) error {
	for img := range p.toFetch {
		if img.batch.chunk.dropped() {
			if err := p.settle(ctx, img.batch); err != nil {
				return err
			}
			continue
		}
		entry := img.entry()
		p.at("before-read", img.batch.chunk.index)
		b, err := p.read(ctx, entry)
		p.at("after-read", img.batch.chunk.index)
		if bad := failure(err); bad != nil {
			if err := p.fail(ctx, img, bad); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return fmt.Errorf("read image %q from %s: %w", entry.Path, p.Images, err)
		}
		img.body = b
		if err := send(ctx, p.toDecode, img); err != nil {
			return err
		}
	}
	return nil
}

// failure is the error of one image alone that err is, or nil.
func failure(err error) *codec.Failure {
	if err == nil {
		return nil // and nothing allocated
	}
	var bad *codec.Failure
	errors.As(err, &bad)
	return bad
}

// read returns the bytes of one image. What concerns this image alone is a
// *codec.Failure; any other error is the system's.
func (p *pipeline) read(ctx context.Context, e shard.Entry) (*body, error) {
	if e.Size > p.Decode.MaxBytes {
		return nil, &codec.Failure{Status: codec.StatusTooLarge,
			Reason: fmt.Sprintf("%d bytes, more than the %d of --max-bytes", e.Size, p.Decode.MaxBytes)}
	}
	etag := e.ETag
	if p.Rescore {
		etag = ""
	}
	size, failed := e.Size, 0
	for {
		b, err := p.readVersion(ctx, e.Path, etag, size)
		if err == nil {
			if p.retries.Load() > 0 {
				p.retries.Add(-1)
			}
			return b, nil
		}
		var grown *resized
		if p.Rescore && errors.As(err, &grown) && grown.now <= p.Decode.MaxBytes {
			size = grown.now
			continue
		}
		switch {
		case errors.As(err, &grown), errors.Is(err, store.ErrChanged):
			return nil, &codec.Failure{Status: row.StatusChanged,
				Reason: "replaced after the manifest was frozen"}
		case errors.Is(err, store.ErrNotExist):
			if err := p.presentOnce(ctx); err != nil {
				return nil, err
			}
			return nil, &codec.Failure{Status: row.StatusNotFound,
				Reason: "not there: deleted after the manifest was frozen, or a link that leads nowhere"}
		case errors.Is(err, store.ErrUnreadable):
			again, ended := p.waitToReadAgain(ctx, err, failed)
			if ended != nil {
				return nil, ended
			}
			if again {
				failed++
				continue
			}
			return nil, &codec.Failure{Status: row.StatusUnreadable, Reason: p.whyUnreadable(err)}
		}
		return nil, err
	}
}

// presentOnce is present, until it says once that there are images: a place that
// vanishes later is the store's to notice.
func (p *pipeline) presentOnce(ctx context.Context) error {
	if p.present.Load() {
		return nil
	}
	err := listing.Present(ctx, p.Images)
	p.present.Store(err == nil)
	return err
}

// unreadPauses come between the tries to read an image that another try may
// help.
var unreadPauses = []time.Duration{100 * time.Millisecond, 500 * time.Millisecond, 2 * time.Second}

// mostRetries is how many more tries than images that were read a worker makes:
// a damaged disk must not take seconds for each of a million files.
const mostRetries = 300

// waitToReadAgain reports whether an image that could not be read so many times
// is worth another try, and waits until it is time for that.
func (p *pipeline) waitToReadAgain(ctx context.Context, err error, failed int) (bool, error) {
	if _, passing := store.AsTransient(err); !passing || failed == len(unreadPauses) || p.retries.Load() >= mostRetries {
		return false, nil
	}
	p.retries.Add(1)
	return true, p.pause(ctx, unreadPauses[failed])
}

// whyUnreadable is the reason in the row of an image that cannot be read. Jobs
// begun before reasons were known keep the words that they have.
func (p *pipeline) whyUnreadable(err error) string {
	var u *store.Unreadable
	if p.Job.Files == output.TenEndings || !errors.As(err, &u) {
		return "the store does not let this object be read"
	}
	return "cannot be read: " + u.Why
}

// resized reports whether an object has another size than expected.
type resized struct{ now int64 }

func (r *resized) Error() string { return fmt.Sprintf("object has %d bytes now", r.now) }

func (p *pipeline) readVersion(ctx context.Context, name, etag string, size int64) (*body, error) {
	weight := min(max(size, 1), p.budgetBytes)
	if err := p.budget.Acquire(ctx, weight); err != nil {
		return nil, err
	}
	b := p.bodies.Get().(*body)
	b.weight = weight
	err := p.readInto(ctx, b, name, etag, size)
	if err != nil {
		p.release(b)
		return nil, err
	}
	return b, nil
}

func (p *pipeline) readInto(ctx context.Context, b *body, name, etag string, size int64) error {
	start := time.Now()
	defer p.Counters.Busy(telemetry.Fetch, start)
	r, obj, err := p.Images.Open(ctx, name, etag)
	if err != nil {
		return err
	}
	defer r.Close()
	if obj.Size != size {
		return &resized{now: obj.Size}
	}
	if int64(cap(b.data)) < size {
		b.data = make([]byte, size+size/4)
	}
	b.data = b.data[:size]
	if _, err := io.ReadFull(r, b.data); err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return store.ErrChanged // shorter than it was a moment ago
		}
		return err
	}
	// The end of the object is read too: it is there that the store reports
	// an object that was replaced under the reader.
	var one [1]byte
	switch n, err := r.Read(one[:]); {
	case n > 0:
		return store.ErrChanged
	case err != nil && err != io.EOF:
		return err
	}
	p.Counters.Read(int(size))
	p.ahead.fetched(time.Since(start), time.Now())
	return nil
}

// release gives a body's memory and its share of the budget back.
func (p *pipeline) release(b *body) {
	p.budget.Release(b.weight)
	if cap(b.data) > keepBody {
		b.data = nil
	}
	p.bodies.Put(b)
}
