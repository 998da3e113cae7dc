package telemetry

import (
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
	counters
)

// Counters count what one worker has done so far. The zero value is ready to use, and
// any number of goroutines may use it.
type Counters struct {
	counts [counters]atomic.Int64
	busy   [stages]atomic.Int64
}

// Add counts n more.
func (c *Counters) Add(what Counter, n int) { c.counts[what].Add(int64(n)) }

// Busy adds the time since start to the busy time of a stage. The times of a stage's
// goroutines add up, so a stage can be busy for longer than the wall time.
func (c *Counters) Busy(s Stage, start time.Time) { c.busy[s].Add(int64(time.Since(start))) }

// Snapshot is a copy of Counters, consistent enough for reports.
type Snapshot struct {
	// Counts is indexed by Counter.
	Counts [counters]int64
	// BusySeconds by stage name, summed over the stage's goroutines.
	BusySeconds map[string]float64
}

// Snapshot returns all counters.
func (c *Counters) Snapshot() Snapshot {
	s := Snapshot{BusySeconds: make(map[string]float64, stages)}
	for i := range c.counts {
		s.Counts[i] = c.counts[i].Load()
	}
	for i := range c.busy {
		s.BusySeconds[Stage(i).String()] = time.Duration(c.busy[i].Load()).Seconds()
	}
	return s
}
