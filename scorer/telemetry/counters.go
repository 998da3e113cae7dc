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

// Counters count what one worker has done so far.
type Counters struct {
	images atomic.Int64
	failed atomic.Int64
	bytes  atomic.Int64
	chunks atomic.Int64
	stolen atomic.Int64
	lost   atomic.Int64
	busy   [stages]atomic.Int64
}

// Scored counts n images whose rows are final. The number of failed ones is part of n.
func (c *Counters) Scored(n, failed int) {
	c.images.Add(int64(n))
	c.failed.Add(int64(failed))
}

// Read counts n bytes read from the image store.
func (c *Counters) Read(n int) { c.bytes.Add(int64(n)) }

// Committed counts a chunk that this worker committed. It is stolen if it is in
// another rank's share.
func (c *Counters) Committed(stolen bool) {
	c.chunks.Add(1)
	if stolen {
		c.stolen.Add(1)
	}
}

// Lost counts a chunk that another worker committed first.
func (c *Counters) Lost() { c.lost.Add(1) }

// Busy adds the time since start to the busy time of a stage. The times of a stage's
// goroutines add up, so a stage can be busy for longer than the wall time.
func (c *Counters) Busy(s Stage, start time.Time) { c.busy[s].Add(int64(time.Since(start))) }

// Snapshot is a copy of Counters, consistent enough for reports.
type Snapshot struct {
	Images, Failed, Bytes int64
	// Chunks were committed by this worker, Stolen of them from the shares of others.
	// Lost were scored by this worker and committed by another.
	Chunks, Stolen, Lost int64
	// BusySeconds by stage name, summed over the stage's goroutines.
	BusySeconds map[string]float64
}

// Snapshot returns all counters.
func (c *Counters) Snapshot() Snapshot {
	s := Snapshot{
		Images: c.images.Load(), Failed: c.failed.Load(), Bytes: c.bytes.Load(),
		Chunks: c.chunks.Load(), Stolen: c.stolen.Load(), Lost: c.lost.Load(),
		BusySeconds: make(map[string]float64, stages),
	}
	for i := range c.busy {
		s.BusySeconds[Stage(i).String()] = time.Duration(c.busy[i].Load()).Seconds()
	}
	return s
}
