package scorer

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/preprocess"
	"github.com/batchscore/batchscore/scorer/claim"
	"github.com/batchscore/batchscore/scorer/increment"
	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/telemetry/tracing"
	"github.com/batchscore/batchscore/shard"
)

// chunk is one chunk on its way from its claim to its part.
type chunk struct {
	index int
	// entries are its images. Rows refer to their memory.
	entries []shard.Entry
	// rows are in manifest order; answers is the memory of their answers.
	rows    []row.Row
	answers row.Answers
	hold    *hold
	trace   *tracing.Chunk // nil if the chunk is not traced
	// unstarted and unscored count the chunk's batches.
	unstarted, unscored atomic.Int32
}

// dropped reports whether the chunk is already committed, so that what is left of
// it can be skipped.
func (c *chunk) dropped() bool { return c.hold.dropped() }

// reset makes c the chunk of entries in batches of size images, reusing its
// memory.
func (c *chunk) reset(h *hold, index int, entries []shard.Entry, size int) {
	c.hold, c.index, c.entries = h, index, entries
	n := len(entries)
	if cap(c.rows) < n {
		c.rows = make([]row.Row, n)
	}
	c.rows = c.rows[:n]
	c.answers.Grow(n)
	batches := int32((n + size - 1) / size)
	c.unstarted.Store(batches)
	c.unscored.Store(batches)
}

// batch is the memory of one batch and what it holds at present. It is owned
// by the feeder, then shared by the fetchers and decoders of its images, each
// its own slot, then owned by a lane.
type batch struct {
	*models.Batch
	chunk *chunk
	// offset is the index in chunk.rows of slot 0. The slot of an image is
	// determined by its place in the chunk, so that which images are scored
	// together never depends on timing or on which images fail.
	offset int
	n      int
	// placements say where in the input the images are; [capacity].
	placements []preprocess.Placement
	// unsettled counts the images that are neither decoded nor failed.
	unsettled atomic.Int32
	decoded   atomic.Int32
}

// item is one image between the feeder and its slot in a batch.
type item struct {
	batch *batch
	slot  int
	body  *body // after fetching
}

func (i item) row() *row.Row { return &i.batch.chunk.rows[i.batch.offset+i.slot] }

func (i item) entry() shard.Entry { return i.batch.chunk.entries[i.batch.offset+i.slot] }

// copied reports whether the image's row is copied: it is not read, and its row is there.
func (i item) copied() bool { return i.batch.chunk.entries[i.batch.offset+i.slot].Copied() }

// chunkPool makes chunks, in memory that was used before.
type chunkPool struct {
	manifest *shard.Manifest
	chunks   shard.Chunks
	batch    int                // images per batch
	answers  func() row.Answers // makes the memory of the answers of one chunk
	holds    *holds
	copier   *increment.Copier
	traces   *tracing.Chunks
	spent    chan *chunk
}

// open returns a chunk that this worker holds. It has the rows that are copied.
func (p *chunkPool) open(ctx context.Context, index int) (*chunk, error) {
	var c *chunk
	select {
	case c = <-p.spent:
	default:
		c = &chunk{answers: p.answers()}
	}
	first, last := p.chunks.Range(index)
	entries, err := p.manifest.Entries(c.entries, first, last)
	if err != nil {
		return nil, err
	}
	c.reset(p.holds.get(claim.OnChunk(index)), index, entries, p.batch)
	c.trace = p.traces.Begin(index, len(entries))
	return c, p.copier.Copy(ctx, c.entries, c.rows)
}

// recycle takes back a chunk that is committed.
func (p *chunkPool) recycle(c *chunk) {
	select {
	case p.spent <- c:
	default:
	}
}

// batchPool makes batches. How many there are bounds how far the feeder runs ahead
// of the lanes.
type batchPool struct {
	engine Engine
	size   int // images per batch
	taker  *taker
	free   chan *batch // batches that nobody owns; its capacity is their greatest number
	// core is how many batches keep the device busy. Those above are for images
	// that are being fetched, as many as ahead allows.
	core  int
	ahead *readAhead
	made  int
}

// get returns a batch that nobody owns: a used one, or a new one if the read-ahead
// allows for more. Only the feeder's goroutine may call it.
func (p *batchPool) get(ctx context.Context) (*batch, error) {
	select {
	case b := <-p.free:
		return b, nil
	default:
	}
	if ahead := (p.ahead.images() + p.size - 1) / p.size; p.made < min(p.core+ahead, cap(p.free)) {
		b, err := p.engine.NewBatch(p.size)
		if err != nil {
			return nil, err
		}
		p.made++
		return &batch{Batch: b, placements: make([]preprocess.Placement, p.size)}, nil
	}
	for {
		look := time.NewTimer(p.taker.lookInterval())
		select {
		case b := <-p.free:
			look.Stop()
			return b, nil
		case <-ctx.Done():
			look.Stop()
			return nil, context.Cause(ctx)
		case <-look.C:
			// Others may have committed what this worker's device is busy with.
			if err := p.taker.look(ctx); err != nil {
				return nil, err
			}
		}
	}
}

// put takes back a batch. It never blocks: the capacity of free is the number of
// batches.
func (p *batchPool) put(b *batch) { p.free <- b }
