package patient

import (
	"sync/atomic"
	"time"
)

type counters struct {
	calls, retries, throttled, stalls, resumed, settled, gaveUp, paused atomic.Int64
}

// Stats is what a Store has been through.
type Stats struct {
	Calls     int64 // of the store inside, repeated ones included
	Retries   int64 // calls made again
	Throttled int64 // answers that said that the place is asked too much
	Stalls    int64 // calls and bodies ended because nothing came
	Resumed   int64 // bodies gone on with after they broke
	Settled   int64 // creates whose lost answer was found to be success
	GaveUp    int64 // operations that ended as store.ErrUnavailable

	Paused time.Duration // summed over all pauses
	// Limit is how many calls may be under way at present, UnderWay how many
	// are.
	Limit, UnderWay int
}

// Stats returns the counters and gauges of this moment.
func (s *Store) Stats() Stats {
	st := Stats{
		Calls: s.calls.Load(), Retries: s.retries.Load(), Throttled: s.throttled.Load(),
		Stalls: s.stalls.Load(), Resumed: s.resumed.Load(), Settled: s.settled.Load(),
		GaveUp: s.gaveUp.Load(), Paused: time.Duration(s.paused.Load()),
	}
	st.Limit, st.UnderWay = s.limit.gauges()
	return st
}
