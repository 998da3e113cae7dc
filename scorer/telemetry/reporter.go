package telemetry

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/batchscore/batchscore/models/device"
	"github.com/batchscore/batchscore/scorer/telemetry/event"
)

// Reporter shows how a worker is doing, next to the bar and in the log.
type Reporter struct {
	Counters *Counters
	Progress *Progress
	Log      zerolog.Logger
	Pools    Pools
	Limit    float64  // of the worker, in images per second; 0 if it is not known
	Sampler  *Sampler // of its GPU; nil if it has none

	every time.Duration // between two reports of the bar; 0 is barEvery
}

// The bar shows the condition every barEvery, and the log every logEvery-th time.
const (
	barEvery = 5 * time.Second
	logEvery = 12
)

// Run reports until ctx ends.
func (r Reporter) Run(ctx context.Context) {
	tick := time.NewTicker(cmp.Or(r.every, barEvery))
	defer tick.Stop()
	last, logged := r.Counters.Snapshot(), r.Counters.Snapshot()
	lastAt, loggedAt := time.Now(), time.Now()
	lastGPU, loggedGPU := r.Sampler.Samples(), r.Sampler.Samples()
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now, at, gpu := r.Counters.Snapshot(), time.Now(), r.Sampler.Samples()
		c := Judge(last, now, at.Sub(lastAt), r.Pools, r.Limit)
		c.GPU = gpu.Since(lastGPU)
		r.Progress.Annotate(c)
		last, lastAt, lastGPU = now, at, gpu
		if n%logEvery > 0 {
			continue
		}
		c = Judge(logged, now, at.Sub(loggedAt), r.Pools, r.Limit)
		c.GPU = gpu.Since(loggedGPU)
		kind, lowered := event.Progress, slowedByFault(c.GPU)
		if lowered != "" {
			kind = event.GPUSlowed
		}
		e := kind.In(ctx, r.Log).Int64("images", now.Counts[Images]).Float64("images_per_s", Tenths(c.Rate)).Stringer("binds", c.Binds).Float64("busy", c.Share)
		if n := now.Counts[Failed]; n > 0 {
			e = e.Int64("failed", n)
		}
		if c.OfLimit > 0 {
			e = e.Float64("of_limit", c.OfLimit)
		}
		gpuFields(e, c.GPU).Msg("under way: " + Rate(c.Rate) + strings.TrimSuffix(", "+c.Explained(), ", ") + lowered)
		logged, loggedAt, loggedGPU = now, at, gpu
	}
}

// slowedByFault says that heat or the hardware lowered the clock of a GPU for half of the
// time or longer; empty if not. A GPU at the limit of its power is as it should be.
func slowedByFault(u *device.GPUUse) string {
	if u == nil {
		return ""
	}
	const share = 0.5
	for _, f := range []struct{ reason, text string }{
		{device.NameHeat, "heat lowered the GPU's clock for %.0f of %.0f s (%.0f °C): look after its cooling"},
		{device.NameHardware, "the hardware lowered the GPU's clock for %.0f of %.0f s (%.0f °C): look after its power supply and its cooling"},
	} {
		if s := u.Throttle[f.reason]; s > 0 && s >= share*u.Seconds {
			return "; " + fmt.Sprintf(f.text, s, u.Seconds, u.Celsius)
		}
	}
	return ""
}

// gpuFields adds what a GPU reported to a line of the log.
func gpuFields(e *zerolog.Event, u *device.GPUUse) *zerolog.Event {
	if u == nil {
		return e
	}
	if u.Busy != nil {
		e = e.Float64("gpu_busy", *u.Busy)
	}
	for _, f := range []struct {
		name  string
		value float64
	}{
		{"gpu_watts", u.Watts}, {"gpu_clock_mhz", u.ClockMHz}, {"gpu_memory_mb", u.MemoryMB}, {"gpu_celsius", u.Celsius},
		{"gpu_throttled_s", u.ThrottledSeconds},
	} {
		if f.value > 0 {
			e = e.Float64(f.name, f.value)
		}
	}
	if len(u.Throttle) > 0 {
		e = e.Strs("gpu_throttled_by", slices.Sorted(maps.Keys(u.Throttle)))
	}
	return e
}

// Seconds returns a time for a field of the log, whose name then ends in _s.
func Seconds(d time.Duration) float64 { return math.Round(d.Seconds()*1e3) / 1e3 }

// Tenths rounds a rate to tenths, for the log.
func Tenths(rate float64) float64 { return math.Round(10*rate) / 10 }
