package telemetry

import (
	"maps"
	"sync"
	"sync/atomic"
	"time"
)

// Stage is one stage of the pipeline whose busy time is counted.
type Stage int

// The stages, in the order of the data.
const (
	Fetch Stage = iota
	Decode
	Infer
	Commit
	stages
)

// Stages is how many stages there are.
const Stages = int(stages)

// NoStage means that no stage is the bottleneck.
const NoStage Stage = -1

// String returns the stage's name in logs and summaries.
func (s Stage) String() string {
	if s == NoStage {
		return "nothing"
	}
	return [...]string{"fetch", "decode", "infer", "commit"}[s]
}

// Counter is something that a worker counts.
type Counter int

// The counters. A new one is one line here, and a call of [Counters.Add] where it
// happens.
const (
	Images Counter = iota // images whose rows are final
	Failed                // of Images, those without an answer
	Bytes                 // bytes read from the image store
	Chunks                // chunks that this worker committed
	Stolen                // of Chunks, those from the shares of other ranks
	Lost                  // chunks that this worker scored and another committed first
	Halved                // times that the batch was halved, as the device could not hold it
	Raced                 // chunks that this worker began while another one held them
	Dark                  // images that look black, as of samples of more bits the upper 8 are kept
	Ahead                 // bytes of images that were read and are not decoded yet; they go down, too
	counters
)

// Counters count what one worker has done so far. The zero value is ready to use, and
// any number of goroutines may use it. Nothing in it locks or allocates for an image.
type Counters struct {
	counts [counters]atomic.Int64
	busy   [stages]atomic.Int64
	took   [stages]spread // how long each busy time was
	batch  spread         // images of each call of the device
	last   atomic.Int64   // when this worker last committed a chunk, in nanoseconds since 1970

	mu       sync.Mutex
	statuses map[string]int64 // of the rows of committed chunks

	parent *Counters // counts the same; nil for none
}

// Child returns counters of their own that the parent counts with, too.
func (c *Counters) Child() *Counters { return &Counters{parent: c} }

// Add counts n more.
func (c *Counters) Add(what Counter, n int) {
	for ; c != nil; c = c.parent {
		c.counts[what].Add(int64(n))
	}
}

// Saw counts an image that was decoded, if it looks black.
func (c *Counters) Saw(dark bool) {
	if dark {
		c.Add(Dark, 1)
	}
}

// Busy adds the time since start to the busy time of a stage. The times of a stage's
// goroutines add up, so a stage can be busy for longer than the wall time.
func (c *Counters) Busy(s Stage, start time.Time) {
	for took := time.Since(start); c != nil; c = c.parent {
		c.busy[s].Add(int64(took))
		c.took[s].add(SecondsBounds[:], took.Seconds())
	}
}

// Batch counts a call of the device with n images.
func (c *Counters) Batch(n int) {
	for ; c != nil; c = c.parent {
		c.batch.add(BatchBounds[:], float64(n))
		c.batch.sum.Add(int64(n))
	}
}

// Committed counts the rows of a chunk that this worker has just committed, by status.
func (c *Counters) Committed(statuses map[string]int) {
	for ; c != nil; c = c.parent {
		c.mu.Lock()
		if c.statuses == nil {
			c.statuses = map[string]int64{}
		}
		for status, n := range statuses {
			c.statuses[status] += int64(n)
		}
		c.mu.Unlock()
		c.last.Store(time.Now().UnixNano())
	}
}

// Snapshot is a copy of Counters, consistent enough for reports.
type Snapshot struct {
	// Counts is indexed by Counter.
	Counts [counters]int64
	// BusySeconds by stage name, summed over the stage's goroutines.
	BusySeconds map[string]float64
	// Took are the times that BusySeconds sums, by stage name, and Batch the images of
	// each call of the device.
	Took  map[string]Spread
	Batch Spread
	// Statuses counts the rows of committed chunks. LastCommit is zero before the first.
	Statuses   map[string]int64
	LastCommit time.Time
}

// Snapshot returns all counters.
func (c *Counters) Snapshot() Snapshot {
	s := Snapshot{BusySeconds: make(map[string]float64, stages), Took: make(map[string]Spread, stages)}
	for i := range c.counts {
		s.Counts[i] = c.counts[i].Load()
	}
	for i := range c.busy {
		name := Stage(i).String()
		s.BusySeconds[name] = time.Duration(c.busy[i].Load()).Seconds()
		s.Took[name] = c.took[i].read(SecondsBounds[:], s.BusySeconds[name])
	}
	s.Batch = c.batch.read(BatchBounds[:], float64(c.batch.sum.Load()))
	if at := c.last.Load(); at != 0 {
		s.LastCommit = time.Unix(0, at)
	}
	c.mu.Lock()
	s.Statuses = maps.Clone(c.statuses)
	c.mu.Unlock()
	return s
}
