package simulator

import "math"

// Stage is what a job waits for.
type Stage string

// The stages that may limit a job.
const (
	Fetch   Stage = "fetch latency"
	Account Stage = "account limits"
	Decode  Stage = "decode"
	Compute Stage = "device"
	Listing Stage = "listing"
	// Ends is the listing together with the time near the end in which ranks have nothing
	// left to do.
	Ends Stage = "start and end"
)

// Rank is what one rank did.
type Rank struct {
	Images     int     // in the chunks that it committed
	Start, End float64 // seconds since the job's start
	Busy       float64 // seconds that its device computed
	Stolen     int     // chunks of other shares that it committed
	Lost       int     // chunks that another rank committed first
}

// Result is the result of a simulated job. Times are in seconds.
type Result struct {
	Makespan float64 // from the first rank's start to the last rank's end
	// LastCommit is when the last part was committed.
	LastCommit float64
	// Ideal is the time for the same images if all devices computed at their own
	// rates all the time and the work could be divided perfectly.
	Ideal float64
	// Efficiency is Ideal divided by Makespan.
	Efficiency float64
	// Busy is the share of all devices' time, from start to end, in which they
	// computed.
	Busy float64
	// Binds is the stage that limited most of the images, and BindsShare the share
	// of all images that it limited.
	Binds      Stage
	BindsShare float64
	// Listed is how long all ranks wait for the manifest: listing the images, and
	// reading the list.
	Listed float64
	// Tail is the device-seconds in which ranks had nothing left to do while others
	// still worked.
	Tail float64
	// Requests is how many requests the store got, Chunks how many chunks the job
	// had.
	Requests float64
	Chunks   int
	Doubled  int // chunks that a second rank claimed as well
	Wasted   int // images that were computed for nothing
	Departed int // times that a node was taken away
	Ranks    []Rank
}

// finish computes the totals.
func (s *simulation) finish() Result {
	r := s.result
	r.Chunks = s.Count()
	rate, first := 0.0, math.Inf(1)
	for i := range s.ranks {
		k := &s.ranks[i]
		rate += k.device.Rate(s.Batch)
		r.Makespan = max(r.Makespan, k.End)
		first = min(first, k.Start)
		r.Ranks = append(r.Ranks, k.Rank)
		r.Busy += k.Busy
	}
	for i := range s.ranks {
		r.Tail += r.Makespan - max(s.ranks[i].lastEnd, s.ranks[i].Start)
	}
	r.Makespan -= first
	r.LastCommit -= first
	r.Ideal = float64(s.Images) / rate
	r.Efficiency = r.Ideal / r.Makespan
	r.Busy /= r.Makespan * float64(len(s.ranks))
	for stage, n := range s.bound {
		if share := float64(n) / float64(s.Images); share > r.BindsShare {
			r.Binds, r.BindsShare = stage, share
		}
	}
	r.Listed = s.listing()
	lost, tail := 1-r.Efficiency, r.Tail/float64(len(s.ranks))
	idle := r.Binds == Compute && lost > 0.25 && !s.Static
	// Listing limits if it takes most of the time, or most of the time that devices which
	// are the slowest stage lose.
	switch {
	case r.Listed > r.Makespan/2 || idle && r.Listed > r.Makespan*lost/2:
		r.Binds, r.BindsShare = Listing, r.Listed/r.Makespan
	case idle && r.Listed+tail > r.Makespan*lost/2:
		r.Binds, r.BindsShare = Ends, (r.Listed+tail)/r.Makespan
	}
	return r
}

// listing returns the time to make and to read the manifest.
func (s *simulation) listing() float64 {
	seconds := float64((s.Images+PageObjects-1)/PageObjects) * s.Store.ListPage.Seconds()
	if s.Store.Bytes > 0 {
		seconds += float64(s.Images) * manifestEntry * float64(len(s.ranks)) / s.Store.Bytes
	}
	return seconds
}
