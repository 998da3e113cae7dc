package telemetry

import (
	"fmt"
	"time"
)

// Pools are how many goroutines the stages of a worker have; of fetchers there
// are always enough, and commits go one after another.
type Pools struct{ Decoders, Lanes int }

// bound is the share of its time at which a stage counts as holding up the
// others: there is always some waiting at the ends of a run.
const bound = 0.85

// Binding finds the stage that held the others up in a time, between two
// snapshots: the first of commit, infer and decode, from the end of the line,
// whose goroutines were always busy, else the fetching that left all of them
// waiting. Where images came through and yet there was mostly none under way,
// it is NoStage: the start and the end of a short run weigh. share is the part of
// their time that the goroutines of that stage were busy; for Fetch, how many
// fetches were under way on average.
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
	// A fetch is booked when it ends: without images all of them may be stuck.
	if share < bound && after.Images > before.Images {
		return NoStage, share
	}
	return Fetch, share
}

// Condition is how a worker did in a time.
type Condition struct {
	Rate float64 // images per second
	// OfLimit is the share of what device and cores allow; 0 where that is not
	// known.
	OfLimit float64
	// Binds is the stage that holds up the others, Share as Binding has it.
	Binds Stage
	Share float64
}

// Judge finds a worker's condition between two snapshots. The limit is in images
// per second; 0 where it is not known.
func Judge(before, after Snapshot, took time.Duration, p Pools, limit float64) Condition {
	c := Condition{Rate: float64(after.Images-before.Images) / took.Seconds()}
	if limit > 0 {
		c.OfLimit = c.Rate / limit
	}
	c.Binds, c.Share = Binding(before, after, took, p)
	return c
}

// String is such as "97% of the limit, infer binds".
func (c Condition) String() string {
	text := fmt.Sprintf("%s binds", c.Binds)
	if c.OfLimit > 0 {
		text = fmt.Sprintf("%.0f%% of the limit, %s", 100*c.OfLimit, text)
	}
	return text
}
