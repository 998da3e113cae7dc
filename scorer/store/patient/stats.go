package patient

import (
	"sync/atomic"
	"time"

	"github.com/batchscore/batchscore/scorer/store"
)

type counters struct {
	calls, retries, throttled, stalls, resumed, settled, gaveUp, paused atomic.Int64
}

var _ store.Meter = (*Store)(nil)

// Stats implements store.Meter.
func (s *Store) Stats() store.Stats {
	st := store.Stats{
		Calls: s.calls.Load(), Retries: s.retries.Load(), Throttled: s.throttled.Load(),
		Stalls: s.stalls.Load(), Resumed: s.resumed.Load(), Settled: s.settled.Load(),
		GaveUp: s.gaveUp.Load(), Answered: s.answered.Load(), Paused: time.Duration(s.paused.Load()),
	}
	st.Limit, st.UnderWay = s.limit.gauges()
	return st
}
