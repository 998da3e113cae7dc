package scorer

import (
	"context"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"
)

// pipeline is every stage of one worker, and the channels between them. A
// stage ranges over its input until that is closed or the context ends; every
// send selects on the context.
type pipeline struct {
	*worker

	free     chan *batch // batches that nobody owns
	toFetch  chan item
	toDecode chan item
	ready    chan *batch // batches whose images are all decoded or failed
	last     chan *batch // the last of their chunks, held back
	due      chan *batch // those that may go
	scored   chan *chunk // chunks whose rows are complete
	spent    chan *chunk // chunks to use again

	// uncommitted holds a token while a chunk that is scored, or whose last
	// batch is running, is not committed.
	uncommitted chan struct{}

	undrained atomic.Int32 // lanes for which more batches may be ready
	retries   atomic.Int32 // tries to read an image again, less the images that were read
	present   atomic.Bool  // something lies at the place of the images

	// made is how many batches there are, core how many the device needs to be
	// busy; those above it are for images under way from the store. The
	// feeder's.
	made, core int
	ahead      *readAhead

	bodies      sync.Pool
	budget      *semaphore.Weighted
	budgetBytes int64
	batchLimit  atomic.Int32 // images in one call of the engine
}

// score runs the pipeline over the chunks that the feeder finds, and returns
// when all of them are committed.
func (w *worker) score(ctx context.Context) error {
	lanes := w.Sessions
	// While every lane runs one batch, as many again are being filled.
	core := 2 * lanes
	// Enough for all fetchers to be at work, and as many images waiting for
	// them, within the budget of memory.
	most := 2 * w.Fetchers
	if row := int64(w.Contract.Preprocess.RowBytes()); int64(most)*row > w.ReadAheadBytes {
		most = int(w.ReadAheadBytes / row)
	}
	batches := core + 1 + most/w.Batch
	p := &pipeline{
		worker:      w,
		core:        core,
		ahead:       newReadAhead(1, most),
		free:        make(chan *batch, batches),
		toFetch:     make(chan item),
		toDecode:    make(chan item, w.Decoders),
		ready:       make(chan *batch, batches),
		last:        make(chan *batch, batches),
		due:         make(chan *batch),
		scored:      make(chan *chunk),
		spent:       make(chan *chunk, batches+2),
		uncommitted: make(chan struct{}, 1),
		bodies:      sync.Pool{New: func() any { return new(body) }},
		budget:      semaphore.NewWeighted(w.ReadAheadBytes),
		budgetBytes: w.ReadAheadBytes,
	}
	p.batchLimit.Store(int32(w.Batch))
	p.undrained.Store(int32(lanes))

	g, ctx := errgroup.WithContext(ctx)
	stage := func(n int, run func(context.Context) error, done func()) {
		var left atomic.Int32
		left.Store(int32(n))
		for range n {
			g.Go(func() error {
				err := run(ctx)
				if left.Add(-1) == 0 {
					done()
				}
				return err
			})
		}
	}
	// Both fetchers and decoders settle images, so the last of either closes.
	var settling atomic.Int32
	settling.Store(2)
	settled := func() {
		if settling.Add(-1) == 0 {
			close(p.ready)
		}
	}
	stage(1, p.feed, func() { close(p.toFetch) })
	stage(w.Fetchers, p.fetch, func() { close(p.toDecode); settled() })
	stage(w.Decoders, p.decode, settled)
	stage(1, p.letGo, func() { close(p.due) })
	stage(lanes, p.infer, func() { close(p.scored) })
	stage(1, p.commit, func() {})
	return g.Wait()
}

// send puts v on c unless the context ends first.
func send[T any](ctx context.Context, c chan<- T, v T) error {
	select {
	case c <- v:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
