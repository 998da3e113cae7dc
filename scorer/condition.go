package scorer

import (
	"context"
	"time"

	"github.com/batchscore/batchscore/scorer/telemetry"
)

const (
	// tellEvery is how often the bar says how the worker does, logEvery how
	// many times as seldom the log does.
	tellEvery = 5 * time.Second
	logEvery  = 12
)

// tellCondition tells how the worker does until the context ends.
func (w *worker) tellCondition(ctx context.Context) {
	tick := time.NewTicker(tellEvery)
	defer tick.Stop()
	pools := telemetry.Pools{Decoders: w.Decoders, Lanes: w.Sessions}
	last, logged := w.Counters.Snapshot(), w.Counters.Snapshot()
	lastAt, loggedAt := time.Now(), time.Now()
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now, at := w.Counters.Snapshot(), time.Now()
		w.Progress.Tell(telemetry.Judge(last, now, at.Sub(lastAt), pools, w.limit))
		last, lastAt = now, at
		if n%logEvery > 0 {
			continue
		}
		c := telemetry.Judge(logged, now, at.Sub(loggedAt), pools, w.limit)
		e := w.Log.Info().Int64("images", now.Images).Float64("images_per_s", tenths(c.Rate)).Stringer("binds", c.Binds).Float64("busy", c.Share)
		if c.OfLimit > 0 {
			e = e.Float64("of_limit", c.OfLimit)
		}
		e.Msg("under way: " + c.String())
		logged, loggedAt = now, at
	}
}
