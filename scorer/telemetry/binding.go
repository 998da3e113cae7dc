package telemetry

import (
	"fmt"
	"strings"
	"time"

	"github.com/batchscore/batchscore/models/device"
)

// Pools are the numbers of goroutines of a worker's stages. There are always enough
// fetchers, and there is one committer.
type Pools struct{ Decoders, Lanes int }

// bound is how much of its time a stage must be busy to count as the bottleneck. It
// is below 1 because every stage waits at the start and the end of a run.
const bound = 0.85

// Binding returns the stage that was the bottleneck between two snapshots. That is
// the first of commit, infer and decode, in this order, whose goroutines were always
// busy. If none was, all were waiting for Fetch. In a short run, where images were
// scored but mostly none was being fetched, it is NoStage: the start and the end of
// the run dominate.
//
// share is the part of their time that the goroutines of the stage were busy. For
// Fetch it is the average number of fetches at a time.
func Binding(before, after Snapshot, took time.Duration, p Pools) (stage Stage, share float64) {
	busy := func(s Stage, goroutines int) float64 {
		return (after.BusySeconds[s.String()] - before.BusySeconds[s.String()]) / took.Seconds() / float64(max(goroutines, 1))
	}
	for _, s := range []struct {
		Stage
		goroutines int
	}{{Commit, 1}, {Infer, p.Lanes}, {Decode, p.Decoders}} {
		if share := busy(s.Stage, s.goroutines); share >= bound {
			return s.Stage, share
		}
	}
	share = busy(Fetch, 1)
	// A fetch is counted when it ends. Without any images all fetches may be stuck.
	if share < bound && after.Counts[Images] > before.Counts[Images] {
		return NoStage, share
	}
	return Fetch, share
}

// Condition is how well a worker did over some time.
type Condition struct {
	Rate float64 // images per second
	// OfLimit is the share of the rate that device and cores allow; 0 if that is not
	// known.
	OfLimit float64
	// Binds is the stage that is the bottleneck; Share is as Binding returns it.
	Binds Stage
	Share float64
	// GPU is what the GPU reported over the time; nil if there is none, or it says
	// nothing.
	GPU *device.GPUUse
}

// Judge returns a worker's condition between two snapshots. The limit is in images
// per second; 0 if it is not known.
func Judge(before, after Snapshot, took time.Duration, p Pools, limit float64) Condition {
	c := Condition{Rate: float64(after.Counts[Images]-before.Counts[Images]) / took.Seconds()}
	if limit > 0 {
		c.OfLimit = c.Rate / limit
	}
	c.Binds, c.Share = Binding(before, after, took, p)
	return c
}

// Idles reports whether calls of the GPU bind the worker and the GPU itself is known to
// compute for a part of the time only.
func (c Condition) Idles() bool {
	return c.Binds == Infer && c.GPU != nil && c.GPU.Busy != nil && *c.GPU.Busy < bound
}

// String returns a text such as "97% of the limit, bottleneck: infer, GPU 99% 182 W". It
// is empty if nothing is known.
func (c Condition) String() string { return c.text("") }

// Explained returns the text of String, in which "infer" says more where calls of the
// GPU bind and the GPU idles.
func (c Condition) Explained() string {
	if !c.Idles() {
		return c.String()
	}
	return c.text(fmt.Sprintf(" (GPU %.0f%% busy: its calls wait for copies or for each other)", 100**c.GPU.Busy))
}

func (c Condition) text(more string) string {
	var parts []string
	if c.OfLimit > 0 {
		parts = append(parts, fmt.Sprintf("%.0f%% of the limit", 100*c.OfLimit))
	}
	if c.Binds != NoStage {
		parts = append(parts, "bottleneck: "+c.Binds.String()+more)
	}
	if gpu := gpuText(c.GPU); gpu != "" {
		parts = append(parts, gpu)
	}
	return strings.Join(parts, ", ")
}
