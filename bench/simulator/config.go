package simulator

import (
	"fmt"
	"math"
	"time"

	"github.com/batchscore/batchscore/shard"
)

// Device is what one rank computes on.
type Device struct {
	Name string
	// Batch is the time of one batch of n images without jitter.
	Batch func(n int) time.Duration
	// Jitter is the relative standard deviation of the time of a batch.
	Jitter float64
	// Slow is how many times as long this rank's batches take; 0 is 1.
	Slow float64
}

// Rate is the device's images per second in full batches.
func (d Device) Rate(batch int) float64 {
	return float64(batch) / (d.Batch(batch).Seconds() * d.slow())
}

func (d Device) slow() float64 {
	if d.Slow == 0 {
		return 1
	}
	return d.Slow
}

// Store is the images' account and how it answers.
type Store struct {
	Latency time.Duration // of one request
	// Requests a second and Bytes a second that the account serves; 0 is no
	// limit.
	Requests, Bytes float64
	// ListPage is how long a page of PageObjects names takes. Pages come one
	// after another.
	ListPage time.Duration
}

// PageObjects is how many names a page of a listing holds.
const PageObjects = 5000

// Preemption takes nodes away at random.
type Preemption struct {
	// PerHour is how often a node is taken in an hour of its life; 0 is never.
	PerHour float64
	// Away is how long it takes until a node stands in for the one that is gone.
	Away time.Duration
	// Notice is how long before its end a node is told; what a rank has in hand
	// by then and finishes in time is not lost.
	Notice time.Duration
}

// Config is a job and the machines that it runs on.
type Config struct {
	Images     int
	ImageBytes float64
	Devices    []Device // by rank
	PerNode    int      // ranks of a node; 0 is 1
	// Chunk is images per chunk, 0 that of the worker; Batch images per batch.
	Chunk, Batch int
	// Ahead is how many images a rank holds at most when it claims the next
	// chunk; 0 is the worker's, in batches of the device.
	Ahead int
	// Fetchers is how many requests for images a rank has under way; 0 is the
	// worker's.
	Fetchers int
	// Decode is images per second of all cores of a rank together; 0 is no limit.
	Decode float64
	Load   time.Duration // of the model
	// Start is when each rank starts, by rank; nil is at once.
	Start      []time.Duration
	Store      Store
	Lease      time.Duration // of claims; 0 is the worker's
	Static     bool
	Preemption Preemption
	Seed       uint64
}

// What the worker has by default.
const (
	defaultFetchers = 64
	defaultLease    = time.Minute
	// aheadBatches is batches in hand: two for each of the two lanes of a
	// device, and one for images on their way from a store that is near.
	aheadBatches = 5
	// manifestEntry is the bytes of an entry of the manifest, which every rank
	// reads whole.
	manifestEntry = 100
	// mostImages and mostChunks are beyond all jobs; so many chunks take about a
	// gigabyte.
	mostImages = 1_000_000_000_000
	mostChunks = 1 << 25
	// joinRequests is how many requests a rank makes, one after another, from
	// its start to its first claim, the manifest apart.
	joinRequests = 8
)

func (c Config) withDefaults() (Config, error) {
	switch {
	case c.Images < 1 || c.Images > mostImages:
		return c, fmt.Errorf("%d images: a job has from one to %d", c.Images, mostImages)
	case len(c.Devices) == 0:
		return c, fmt.Errorf("no ranks: a job has at least one")
	case c.Start != nil && len(c.Start) != len(c.Devices):
		return c, fmt.Errorf("%d starts for %d ranks", len(c.Start), len(c.Devices))
	}
	set := func(field *int, value int) {
		if *field == 0 {
			*field = value
		}
	}
	set(&c.Batch, 32)
	set(&c.Chunk, shard.DefaultChunk(c.Images, c.Batch))
	if n := (shard.Chunks{Entries: c.Images, Size: c.Chunk}).Count(); n > mostChunks {
		return c, fmt.Errorf("%d images in chunks of %d are %d chunks, and more than %d do not fit in memory: give larger chunks",
			c.Images, c.Chunk, n, mostChunks)
	}
	set(&c.Ahead, aheadBatches*c.Batch)
	set(&c.Fetchers, defaultFetchers)
	set(&c.PerNode, 1)
	if c.Lease == 0 {
		c.Lease = defaultLease
	}
	if c.Decode == 0 {
		c.Decode = math.Inf(1)
	}
	return c, nil
}
