package telemetry

import "time"

// Pools are how many goroutines the stages of a worker have; of fetchers there
// are always enough, and commits go one after another.
type Pools struct{ Decoders, Lanes int }

// bound is the share of its time at which a stage counts as holding up the
// others: there is always some waiting at the ends of a run.
const bound = 0.85

// Binding finds the stage that held the others up in a time, between two
// snapshots: the first of infer, decode and commit, from the end of the line,
// whose goroutines were always busy, else the fetching that left all of them
// waiting. share is the part of their time that the goroutines of that stage
// were busy; for Fetch, how many fetches were under way on average.
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
	return Fetch, busy(Fetch, 1)
}
