package scorer

import (
	"testing"
	"time"
)

// drive simulates 2,000 fetches of a pipeline that consumes at most rate images per
// second from a store with that latency. It returns the time at the end.
func drive(r *readAhead, latency time.Duration, rate float64, last time.Time) time.Time {
	for range 2000 {
		// The pipeline requests as many images as the limit allows.
		possible := min(rate, float64(r.images())/latency.Seconds())
		last = last.Add(time.Duration(float64(time.Second) / possible))
		r.fetched(latency, last)
	}
	return last
}

func TestReadAheadFollowsLittlesLaw(t *testing.T) {
	start := time.Now()
	r := newReadAhead(4, 128)
	r.since = start
	// A device of 100 images/s on a store of 50 ms needs 5 under way.
	now := drive(r, 50*time.Millisecond, 100, start)
	if n := r.images(); n < 8 || n > 14 {
		t.Errorf("%d images ahead for 100/s at 50 ms, want about 10", n)
	}
	// One that takes no time gets all that is allowed.
	now = drive(r, 50*time.Millisecond, 1e9, now)
	if n := r.images(); n != 128 {
		t.Errorf("%d images ahead for a device that takes no time, want 128", n)
	}
	// A fast store needs the least.
	drive(r, 10*time.Microsecond, 100, now)
	if n := r.images(); n != 4 {
		t.Errorf("%d images ahead for a store that answers at once, want 4", n)
	}
}
