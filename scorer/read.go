package scorer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/batchscore/batchscore/models/preprocess"
	"github.com/batchscore/batchscore/models/preprocess/budget"
	"github.com/batchscore/batchscore/models/preprocess/codec"
	"github.com/batchscore/batchscore/scorer/increment"
	"github.com/batchscore/batchscore/scorer/listing"
	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/telemetry"
	"github.com/batchscore/batchscore/shard"
)

// body is the encoded bytes of one image, in memory that is used again.
type body struct {
	data   []byte
	weight int64 // its part of the byte budget; 0 if it is too large for that
	// memory is what was taken before reading, for a body that is too large for the
	// byte budget and for decoding it; no part for others.
	memory budget.Part
}

// keepBody is the largest body buffer that is kept for the next image, so that
// one huge file does not occupy its size from then on.
const keepBody = 4 << 20

// reader reads images within a budget of bytes in memory. Its methods may be
// called from any number of goroutines.
type reader struct {
	images   store.Store
	maxBytes int64
	// maxMemory bounds what an image takes, and memory what all images do: see
	// preprocess.Options.
	maxMemory int64
	memory    *budget.Budget
	// rescore reads an image that changed after the listing as it is now, and rescored notes
	// which those are.
	rescore  bool
	rescored *increment.Rescored
	// unnamedReasons is for jobs begun before the rows of unreadable images said
	// why.
	unnamedReasons bool
	halt           *halt
	counters       *telemetry.Counters
	ahead          *readAhead

	bodies      sync.Pool
	budget      *semaphore.Weighted
	budgetBytes int64
	retries     atomic.Int32 // retries minus images that were read; not below 0
	present     atomic.Bool  // images were found where they were listed
}

func newReader(o *Options, halt *halt, ahead *readAhead) *reader {
	return &reader{
		images: o.Images, maxBytes: o.Decode.MaxBytes, rescore: o.Rescore, rescored: new(increment.Rescored),
		maxMemory: o.Decode.MaxMemory, memory: o.Decode.Budget,
		unnamedReasons: o.Job.Files == listing.TenEndings,
		halt:           halt, counters: o.Counters, ahead: ahead,
		bodies: sync.Pool{New: func() any { return new(body) }},
		budget: semaphore.NewWeighted(o.ReadAheadBytes), budgetBytes: o.ReadAheadBytes,
	}
}

// errNotAhead means that an image is too large to be read before a decoder is free for it.
var errNotAhead = errors.New("larger than what is read ahead")

// readAhead returns the bytes of one image, which then waits for a decoder. What concerns
// this image alone is a *codec.Failure; any other error is the system's. The caller recycles
// the body.
//
// The error is errNotAhead for an image that would be part of the memory for decoding, which
// decoders wait for: what waits for a decoder must hold none of it.
func (r *reader) readAhead(ctx context.Context, e shard.Entry) (*body, error) {
	return r.read(ctx, e, r.budgetBytes, 0)
}

// decode reads an image and decodes it to dst. Its errors are those of readAhead, and the
// system's.
func (r *reader) decode(ctx context.Context, decoder *preprocess.Decoder, dst []byte, img item) error {
	room := min(r.maxMemory, r.memory.Limits().Largest)
	for {
		b, err := r.read(ctx, img.entry(), math.MaxInt64, room)
		if err != nil {
			return r.wrap(img, err)
		}
		start, taken := time.Now(), b.memory.Bytes
		err = decoder.DecodeWithin(ctx, dst, b.data, taken)
		r.counters.Busy(telemetry.Decode, start)
		r.recycle(b)
		var small *budget.TooSmall
		if !errors.As(err, &small) || taken == 0 || small.Need <= taken {
			return r.wrapDecode(img, err)
		}
		room = small.Need // of a job that began on a larger machine: read it once more
	}
}

// read reads an image of at most that many bytes: ahead if room is 0, and else for a decoder
// that is free. That takes room, or the image's size if that is more, of the memory for
// decoding.
func (r *reader) read(ctx context.Context, e shard.Entry, most, room int64) (*body, error) {
	if e.Size > r.maxBytes {
		return nil, &codec.Failure{Status: codec.StatusTooLarge,
			Reason: fmt.Sprintf("%d bytes, more than the %d of --max-bytes", e.Size, r.maxBytes)}
	}
	if fail := r.beyondMemory(e.Size); fail != nil {
		return nil, fail
	}
	etag, size, failed := e.ETag, e.Size, 0
	for {
		if size > most {
			return nil, errNotAhead
		}
		b, err := r.readVersion(ctx, e.Path, etag, size, room)
		if err == nil {
			if r.retries.Load() > 0 {
				r.retries.Add(-1)
			}
			return b, nil
		}
		var grown *resized
		if r.rescore && (errors.Is(err, store.ErrChanged) || errors.As(err, &grown)) {
			r.rescored.Note(e.Path)
			if etag != "" {
				etag = "" // any version
				continue
			}
		}
		if r.rescore && errors.As(err, &grown) && grown.now <= r.maxBytes {
			if fail := r.beyondMemory(grown.now); fail != nil {
				return nil, fail
			}
			size = grown.now
			continue
		}
		switch {
		case errors.As(err, &grown), errors.Is(err, store.ErrChanged):
			return nil, &codec.Failure{Status: row.StatusChanged,
				Reason: "replaced after the manifest was frozen"}
		case errors.Is(err, store.ErrNotExist):
			if err := r.checkPresent(ctx); err != nil {
				return nil, err
			}
			return nil, &codec.Failure{Status: row.StatusNotFound,
				Reason: "not there: deleted after the manifest was frozen, or a link that leads nowhere"}
		case errors.Is(err, store.ErrUnreadable):
			again, ended := r.waitToRetry(ctx, err, failed)
			if ended != nil {
				return nil, ended
			}
			if again {
				failed++
				continue
			}
			return nil, &codec.Failure{Status: row.StatusUnreadable, Reason: r.unreadableReason(err)}
		}
		return nil, err
	}
}

// beyondMemory returns the failure of an image of that many encoded bytes that for them
// alone takes more memory than an image may.
func (r *reader) beyondMemory(size int64) *codec.Failure {
	if size <= r.maxMemory {
		return nil
	}
	return codec.Fail(codec.StatusTooLarge, "its %d bytes take %s of memory, more than the %s of --max-image-memory",
		size, budget.Bytes(size), budget.Bytes(r.maxMemory))
}

// checkPresent returns an error if no image is where they were listed. Once it has
// found one it looks no more: the store reports it if a place vanishes later.
func (r *reader) checkPresent(ctx context.Context) error {
	if r.present.Load() {
		return nil
	}
	err := listing.Present(ctx, r.images)
	r.present.Store(err == nil)
	return err
}

// retryPauses come before the retries of an image that could not be read for a
// reason that may pass.
var retryPauses = []time.Duration{100 * time.Millisecond, 500 * time.Millisecond, 2 * time.Second}

// mostRetries is how many more retries than successful reads a worker makes: a
// damaged disk must not take seconds for each of a million files.
const mostRetries = 300

// waitToRetry reports whether to try an image again that failed to be read so
// many times, and waits until it is time for that.
func (r *reader) waitToRetry(ctx context.Context, err error, failed int) (bool, error) {
	_, transient := store.AsTransient(err)
	if !transient || failed == len(retryPauses) || r.retries.Load() >= mostRetries {
		return false, nil
	}
	r.retries.Add(1)
	return true, r.halt.wait(ctx, retryPauses[failed])
}

// unreadableReason returns the reason for the row of an image that cannot be read.
func (r *reader) unreadableReason(err error) string {
	var u *store.Unreadable
	if r.unnamedReasons || !errors.As(err, &u) {
		return "the store does not let this object be read"
	}
	return "cannot be read: " + u.Why
}

// resized is the error for an object that has another size than expected.
type resized struct{ now int64 }

func (r *resized) Error() string { return fmt.Sprintf("object has %d bytes now", r.now) }

// readVersion reads one version of an object, of that size. It waits until the
// budget has room.
//
// What a decoder reads is part of the memory for decoding, even if by now it is small enough
// to be read ahead: bodies that wait for the decoder may hold the whole byte budget. As its
// headers are not known yet, it takes room for decoding it as well: if it took only the memory
// of its bytes, it would hold that while it waits for more.
func (r *reader) readVersion(ctx context.Context, name, etag string, size, room int64) (*body, error) {
	var weight int64
	var memory budget.Part
	var err error
	if room == 0 {
		weight = max(size, 1)
		err = r.budget.Acquire(ctx, weight)
	} else {
		memory, err = r.memory.Take(ctx, max(size, room))
	}
	if err != nil {
		return nil, err
	}
	r.counters.Add(telemetry.Ahead, int(weight))
	b := r.bodies.Get().(*body)
	b.weight, b.memory = weight, memory
	err = r.readInto(ctx, b, name, etag, size)
	if err != nil {
		r.recycle(b)
		return nil, err
	}
	return b, nil
}

func (r *reader) readInto(ctx context.Context, b *body, name, etag string, size int64) error {
	start := time.Now()
	defer r.counters.Busy(telemetry.Fetch, start)
	object, info, err := r.images.Open(ctx, name, etag)
	if err != nil {
		return err
	}
	defer object.Close()
	if info.Size != size {
		return &resized{now: info.Size}
	}
	if int64(cap(b.data)) < size {
		spare := size / 4
		if size > keepBody {
			spare = 0 // it is not kept
		}
		b.data = make([]byte, size+spare)
	}
	b.data = b.data[:size]
	if _, err := io.ReadFull(object, b.data); err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return store.ErrChanged // shorter than it was a moment ago
		}
		return err
	}
	// Read to the end of the object as well: that is where the store reports that
	// the object was replaced while it was read.
	var one [1]byte
	switch n, err := object.Read(one[:]); {
	case n > 0:
		return store.ErrChanged
	case err != nil && err != io.EOF:
		return err
	}
	r.counters.Add(telemetry.Bytes, int(size))
	r.ahead.fetched(time.Since(start), time.Now())
	return nil
}

// wrap returns the error of a store that failed to deliver an image.
func (r *reader) wrap(img item, err error) error {
	return fmt.Errorf("read image %q from %s: %w", img.entry().Path, r.images, err)
}

// wrapDecode returns the error of decoding an image.
func (r *reader) wrapDecode(img item, err error) error {
	if err == nil || failure(err) != nil {
		return err
	}
	return fmt.Errorf("image %q of %s: %w", img.entry().Path, r.images, err)
}

// recycle takes back a body: its memory and its part of the budget.
func (r *reader) recycle(b *body) {
	if cap(b.data) > keepBody {
		b.data = nil
	}
	r.budget.Release(b.weight)
	r.counters.Add(telemetry.Ahead, -int(b.weight))
	r.memory.Give(b.memory)
	r.bodies.Put(b)
}

// readAhead determines how many images to request from the store at once. By
// Little's law, a pipeline needs its rate times the store's latency; twice that
// leaves room to grow while the store is the bottleneck. The latency is the least
// seen recently, so that queueing, which more requests would only lengthen, does
// not count as latency.
type readAhead struct {
	least, most int // images

	mu      sync.Mutex
	since   time.Time
	n       int
	latency float64 // seconds
	limit   int
}

// readAheadTick is how often the limit is computed again.
const readAheadTick = 50 * time.Millisecond

// latencyRise is the factor by which the least latency rises per tick. A store
// that has become and stays slower is recognized after some seconds.
const latencyRise = 1.01

func newReadAhead(least, most int) *readAhead {
	return &readAhead{least: least, most: max(least, most), limit: least, latency: math.Inf(1), since: time.Now()}
}

// fetched counts one image that took d to fetch.
func (r *readAhead) fetched(d time.Duration, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.latency = min(r.latency, d.Seconds())
	r.n++
	elapsed := now.Sub(r.since)
	if elapsed < readAheadTick {
		return
	}
	rate := float64(r.n) / elapsed.Seconds()
	r.limit = min(max(int(math.Ceil(2*rate*r.latency)), r.least), r.most)
	r.n, r.since = 0, now
	r.latency *= latencyRise
}

// images returns the current limit.
func (r *readAhead) images() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.limit
}
