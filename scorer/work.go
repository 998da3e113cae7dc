package scorer

import (
	"sync/atomic"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/shard"
)

// chunk is one chunk on its way from its claim to its part.
type chunk struct {
	index int
	// entries are its images; what a row has of them lies in their memory.
	entries []shard.Entry
	// rows in manifest order; answers is the memory of their answers.
	rows    []row.Row
	answers row.Answers
	hold    *hold
	// unstarted and unscored count the chunk's batches.
	unstarted, unscored atomic.Int32
}

// batch is the memory of one batch and what it holds at present. It is owned
// by the feeder, then shared by the fetchers and decoders of its images, each
// its own slot, then owned by a lane.
type batch struct {
	*models.Batch
	chunk *chunk
	// offset is the index in chunk.rows of slot 0. The slot of an image is
	// fixed by its place in the chunk, so that what is scored together never
	// depends on timing or on which images fail.
	offset int
	n      int
	// unsettled counts the images that are neither decoded nor failed.
	unsettled atomic.Int32
	decoded   atomic.Int32
}

// item is one image between the feeder and its slot in a batch.
type item struct {
	batch *batch
	slot  int
	body  *body // after fetch
}

func (i item) row() *row.Row { return &i.batch.chunk.rows[i.batch.offset+i.slot] }

func (i item) entry() shard.Entry { return i.batch.chunk.entries[i.batch.offset+i.slot] }

// dropped reports whether the chunk's part stands, so that what is left of it may be
// passed over.
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
