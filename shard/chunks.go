package shard

import (
	"fmt"
	"iter"
	"math/bits"
)

// LargeBatch is the batch size from which on a device counts as fast, whatever it is.
// Processors take smaller batches unless a user asks for larger ones; GPUs take this or
// larger ones.
const LargeBatch = 32

// DefaultFetchers returns how many images a worker requests at the same time for a device
// that scores batches of that size. The requests mostly wait. For large batches they
// allow 8,000 images per second from a store that takes 30 ms for each.
func DefaultFetchers(batch int) int {
	if batch >= LargeBatch {
		return 512
	}
	return 64
}

// maxChunks is the number of chunks beyond which chunks become larger than the rules of
// DefaultChunk and UnrecordedChunk say.
const maxChunks = 1 << 16

// DefaultChunk returns the chunk size, in images, of a new job for a manifest of n
// entries that are scored in batches of the given size. Without large batches it is that
// of UnrecordedChunk. With LargeBatch or more it aims at about 1,024 chunks with a power of
// two up to 512: a worker commits one chunk at a time, so a store that takes 30 ms for
// that allows no more than 4,000 images per second in chunks of 128. There are four batches
// in a chunk at least: with two sessions, the last one takes as long as two others, and
// until its chunk is committed, that of the next chunk waits.
func DefaultChunk(n, batch int) int {
	if batch < LargeBatch {
		return UnrecordedChunk(n, batch)
	}
	return chunkOf(n, batch, 512, 1024, 4)
}

// UnrecordedChunk returns the chunk size of a job whose record has none. It aims at about
// 2,048 chunks with a power of two from 16 to 128, so that 32 ranks end within a few
// percent of one another.
func UnrecordedChunk(n, batch int) int { return chunkOf(n, batch, 128, 2048, 2) }

// chunkOf returns a power of two from 16 to most, for about that many chunks. It exceeds
// most only if there would be more than maxChunks.
//
// The result is rounded up to whole batches, of which there are that many at least: the
// last batch of a chunk waits for the commit of the chunk before, and the other batches
// hide that wait. A batch of 0 means that the size is unknown, and nothing is rounded.
func chunkOf(n, batch, most, many, batches int) int {
	size := 16
	for size < most && size*many < n {
		size *= 2
	}
	for (n-1)/size+1 > maxChunks {
		size *= 2
	}
	if batch > 0 {
		size = max(batches, (size+batch-1)/batch) * batch
	}
	return size
}

// Chunks divides a manifest into runs of consecutive entries. Every chunk has Size
// entries, except that the last may have fewer.
type Chunks struct {
	Entries int // length of the manifest
	Size    int // entries per chunk; at least 1
}

// Count returns the number of chunks: 0 for an empty manifest.
func (c Chunks) Count() int {
	if c.Size < 1 || c.Entries < 0 {
		panic(fmt.Sprintf("shard: %d entries cannot be cut into chunks of %d", c.Entries, c.Size))
	}
	return (c.Entries + c.Size - 1) / c.Size
}

// Range returns the manifest indices first <= i < last of chunk i. It panics
// unless 0 <= i < Count().
func (c Chunks) Range(i int) (first, last int) {
	if i < 0 || i >= c.Count() {
		panic(fmt.Sprintf("shard: no chunk %d among %d", i, c.Count()))
	}
	first = i * c.Size
	return first, min(first+c.Size, c.Entries)
}

// Share returns the chunks lo <= i < hi that a rank starts with. The shares of all
// ranks are contiguous, in order of rank, and cover all chunks. They differ by at
// most one chunk, and by at most Size images: the last rank, whose last chunk may
// be short, always has one of the larger shares. With more ranks than chunks, some
// shares are empty.
func (c Chunks) Share(rank, world int) (lo, hi int) {
	if rank < 0 || rank >= world {
		panic(fmt.Sprintf("shard: no rank %d of %d", rank, world))
	}
	n := uint64(c.Count())
	return mulDiv(n, uint64(rank), uint64(world)), mulDiv(n, uint64(rank)+1, uint64(world))
}

// mulDiv returns floor(n*k/d), for k <= d, without overflow in the product.
func mulDiv(n, k, d uint64) int {
	if k == d {
		return int(n)
	}
	hi, lo := bits.Mul64(n, k)
	q, _ := bits.Div64(hi, lo, d)
	return int(q)
}

// ShareImages returns the number of images in a rank's share.
func (c Chunks) ShareImages(rank, world int) int {
	lo, hi := c.Share(rank, world)
	return min(hi*c.Size, c.Entries) - min(lo*c.Size, c.Entries)
}

// StealOrder yields every chunk once, in the order in which a rank tries them:
// first its own share in ascending order, then the shares of the others from the
// end, which their owners reach last. It takes one chunk from each victim in turn,
// beginning with the rank after this one, so that idle ranks begin in different
// places.
func (c Chunks) StealOrder(rank, world int) iter.Seq[int] {
	return func(yield func(int) bool) {
		lo, hi := c.Share(rank, world)
		for i := lo; i < hi; i++ {
			if !yield(i) {
				return
			}
		}
		longest := (c.Count() + world - 1) / world
		for depth := range longest {
			for step := 1; step < world; step++ {
				lo, hi := c.Share((rank+step)%world, world)
				if i := hi - 1 - depth; i >= lo && !yield(i) {
					return
				}
			}
		}
	}
}
