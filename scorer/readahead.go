package scorer

import (
	"math"
	"sync"
	"time"
)

// readAhead determines how many images to request from the store at once. By
// Little's law, a pipeline needs its rate times the store's latency; twice that
// leaves room to grow while the store is the bottleneck. The latency is the least
// seen recently, so that queueing, which more requests would only lengthen, does
// not count as latency.
type readAhead struct {
	least, most int // images

	mu      sync.Mutex
	since   time.Time
	n       int
	latency float64 // seconds
	limit   int
}

// readAheadTick is how often the limit is computed again.
const readAheadTick = 50 * time.Millisecond

// latencyRise is the factor by which the least latency rises per tick. A store
// that has become and stays slower is recognized after some seconds.
const latencyRise = 1.01

func newReadAhead(least, most int) *readAhead {
	return &readAhead{least: least, most: max(least, most), limit: least, latency: math.Inf(1), since: time.Now()}
}

// fetched counts one image that took d to fetch.
func (r *readAhead) fetched(d time.Duration, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.latency = min(r.latency, d.Seconds())
	r.n++
	elapsed := now.Sub(r.since)
	if elapsed < readAheadTick {
		return
	}
	rate := float64(r.n) / elapsed.Seconds()
	r.limit = min(max(int(math.Ceil(2*rate*r.latency)), r.least), r.most)
	r.n, r.since = 0, now
	r.latency *= latencyRise
}

// images returns the current limit.
func (r *readAhead) images() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.limit
}
