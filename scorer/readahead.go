package scorer

import (
	"math"
	"sync"
	"time"
)

// readAhead says how many images to have under way from the store. By Little's
// law a pipeline that consumes at a rate, from a store that takes a latency to
// answer, needs their product; twice that leaves room to grow while the store
// is what holds it up. The latency is the least seen of late, so that waiting in
// line, which more requests would only lengthen, does not count as latency.
type readAhead struct {
	least, most int // images

	mu      sync.Mutex
	since   time.Time
	n       int
	latency float64 // seconds
	limit   int
}

// readAheadTick is how often the limit is set anew.
const readAheadTick = 50 * time.Millisecond

// forget lets the least latency rise by this factor a tick, so that a store
// that has become slower for good is believed after some seconds.
const forget = 1.01

func newReadAhead(least, most int) *readAhead {
	return &readAhead{least: least, most: max(least, most), limit: least, latency: math.Inf(1), since: time.Now()}
}

// fetched books one image that took d to fetch.
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
	r.latency *= forget
}

// images is the present limit.
func (r *readAhead) images() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.limit
}
