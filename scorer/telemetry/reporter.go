package telemetry

import (
	"context"
	"math"
	"strings"
	"time"

	"github.com/rs/zerolog"
)

// Reporter shows how a worker is doing, next to the bar and in the log.
type Reporter struct {
	Counters *Counters
	Progress *Progress
	Log      zerolog.Logger
	Pools    Pools
	Limit    float64 // of the worker, in images per second; 0 if it is not known
}

// The bar shows the condition every barEvery, and the log every logEvery-th time.
const (
	barEvery = 5 * time.Second
	logEvery = 12
)

// Run reports until ctx ends.
func (r Reporter) Run(ctx context.Context) {
	tick := time.NewTicker(barEvery)
	defer tick.Stop()
	last, logged := r.Counters.Snapshot(), r.Counters.Snapshot()
	lastAt, loggedAt := time.Now(), time.Now()
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now, at := r.Counters.Snapshot(), time.Now()
		r.Progress.Annotate(Judge(last, now, at.Sub(lastAt), r.Pools, r.Limit))
		last, lastAt = now, at
		if n%logEvery > 0 {
			continue
		}
		c := Judge(logged, now, at.Sub(loggedAt), r.Pools, r.Limit)
		e := r.Log.Info().Int64("images", now.Counts[Images]).Float64("images_per_s", Tenths(c.Rate)).Stringer("binds", c.Binds).Float64("busy", c.Share)
		if c.OfLimit > 0 {
			e = e.Float64("of_limit", c.OfLimit)
		}
		e.Msg("under way: " + Rate(c.Rate) + strings.TrimSuffix(", "+c.String(), ", "))
		logged, loggedAt = now, at
	}
}

// Seconds returns a time for a field of the log, whose name then ends in _s.
func Seconds(d time.Duration) float64 { return math.Round(d.Seconds()*1e3) / 1e3 }

// Tenths rounds a rate to tenths, for the log.
func Tenths(rate float64) float64 { return math.Round(10*rate) / 10 }
