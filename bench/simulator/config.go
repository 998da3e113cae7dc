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
	// Batch returns the time of one batch of n images without jitter.
	Batch func(n int) time.Duration
	// Jitter is the relative standard deviation of the time of a batch.
	Jitter float64
	// Slow is a factor on the time of this rank's batches; 0 means 1.
	Slow float64
}

// Rate returns the device's images per second in full batches.
func (d Device) Rate(batch int) float64 {
	return float64(batch) / (d.Batch(batch).Seconds() * d.slow())
}

func (d Device) slow() float64 {
	if d.Slow == 0 {
		return 1
	}
	return d.Slow
}

// Store is the storage account of the images.
type Store struct {
	Latency time.Duration // of one request
	// Requests and Bytes are what the account serves per second; 0 is no limit.
	Requests, Bytes float64
	// ListPage is how long a page of PageObjects names takes. Pages are listed one
	// after another.
	ListPage time.Duration
}

// PageObjects is how many names a page of a listing has.
const PageObjects = 5000

// Preemption takes nodes away at random.
type Preemption struct {
	// PerHour is how often a node is taken per hour of its life; 0 is never.
	PerHour float64
	// Away is how long it takes until another node replaces one that is gone.
	Away time.Duration
	// Notice is how long before its end a node is told. Chunks that its ranks
	// finish within that time are not lost.
	Notice time.Duration
}

// Config is a job and the machines that it runs on.
type Config struct {
	Images     int
	ImageBytes float64
	Devices    []Device // by rank
	PerNode    int      // ranks per node; 0 means 1
	// Chunk is images per chunk, 0 for the worker's; Batch is images per batch.
	Chunk, Batch int
	// Ahead is how many images a rank holds at most when it claims the next chunk;
	// 0 for the worker's number of batches.
	Ahead int
	// Fetchers is how many images a rank requests at the same time; 0 for the
	// worker's number.
	Fetchers int
	// Decode is images per second on all cores of a rank together; 0 is no limit.
	Decode float64
	Load   time.Duration // of the model
	// Start is when each rank starts, by rank; nil means at once.
	Start      []time.Duration
	Store      Store
	Lease      time.Duration // of claims; 0 for the worker's
	Static     bool
	Preemption Preemption
	Seed       uint64
}

// The worker's defaults.
const (
	defaultLease = time.Minute
	// aheadBatches is how many batches a rank holds: two for each of the two lanes
	// of a device, and one for images on their way from a nearby store.
	aheadBatches = 5
	// manifestEntry is how many bytes an entry of the manifest has. Every rank reads
	// all entries.
	manifestEntry = 100
	// mostImages and mostChunks are higher than in any real job. That many chunks
	// take about a gigabyte.
	mostImages = 1_000_000_000_000
	mostChunks = 1 << 25
	// joinRequests is how many requests a rank makes, one after another, from its
	// start to its first claim, in addition to reading the manifest.
	joinRequests = 8
)

func (c Config) withDefaults() (Config, error) {
	switch {
	case c.Images < 1 || c.Images > mostImages:
		return c, fmt.Errorf("%d images: want from one to %d", c.Images, mostImages)
	case len(c.Devices) == 0:
		return c, fmt.Errorf("no ranks: want at least one")
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
		return c, fmt.Errorf("%d images in chunks of %d are %d chunks; more than %d do not fit in memory: use larger chunks",
			c.Images, c.Chunk, n, mostChunks)
	}
	set(&c.Ahead, aheadBatches*c.Batch)
	set(&c.Fetchers, shard.DefaultFetchers(c.Batch))
	set(&c.PerNode, 1)
	if c.Lease == 0 {
		c.Lease = defaultLease
	}
	if c.Decode == 0 {
		c.Decode = math.Inf(1)
	}
	return c, nil
}
