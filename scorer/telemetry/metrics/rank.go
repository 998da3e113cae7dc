package metrics

import (
	"strconv"
	"strings"
	"time"

	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/telemetry"
)

// Rank is what the metrics of one rank are read from.
type Rank struct {
	Rank, Ranks int
	Out         string // the place of the output, without secrets
	Version     string // of this program
	Started     time.Time
	Deadline    time.Time // zero for none
	Counters    *telemetry.Counters
	State       *telemetry.State
	// Stores are those whose calls are counted, by what they hold.
	Stores map[string]store.Store
}

// Set returns the metrics of the rank. Further sources are added to it.
func (r *Rank) Set(clean func(string) string, more ...Source) *Set {
	return &Set{Scope: OfRank, Clean: clean, Sources: append([]Source{r.run, r.counters, r.stages, r.storage, r.gpu}, more...),
		Labels: func() []string { return []string{r.State.Facts().Job, strconv.Itoa(r.Rank)} }}
}

// run says what runs.
func (r *Rank) run(s Sink) {
	f := r.State.Facts()
	s.Value(RunInfo, 1, r.Out, f.Model, ShortDigest(f.ModelDigest), f.Device, f.GPU, r.Version)
	s.Time(RunStart, r.Started)
	s.Time(RunDeadline, r.Deadline)
	s.Value(RunRanks, float64(r.Ranks))
	if f.Job == "" {
		return // nothing is known of the job yet
	}
	s.Value(ExpectedImages, float64(f.Images))
	s.Value(ShareImages, float64(f.Share))
	s.Value(BatchSize, float64(f.Batch))
	s.Value(AheadMax, float64(f.ReadAheadBytes))
}

// End returns a source that says when and how a rank ended.
func End(at time.Time, exitCode int) Source {
	return func(s Sink) {
		s.Time(RunEnd, at)
		s.Value(RunExitStatus, float64(exitCode))
	}
}

// counters are the plain counts.
func (r *Rank) counters(s Sink) {
	now := r.Counters.Snapshot()
	s.Value(Images, float64(now.Statuses["ok"]), "ok") // there from the start, so that rates begin at 0
	for status, n := range now.Statuses {
		if status != "ok" {
			s.Value(Images, float64(n), status)
		}
	}
	for _, c := range []struct {
		m    *Metric
		what telemetry.Counter
	}{
		{Scored, telemetry.Images}, {Failed, telemetry.Failed}, {Read, telemetry.Bytes},
		{Chunks, telemetry.Chunks}, {ChunksStolen, telemetry.Stolen}, {ChunksRaced, telemetry.Raced}, {ChunksLost, telemetry.Lost},
		{BatchHalved, telemetry.Halved}, {Ahead, telemetry.Ahead},
	} {
		s.Value(c.m, float64(now.Counts[c.what]))
	}
	s.Time(LastCommit, now.LastCommit)
	for stage, seconds := range now.BusySeconds {
		s.Value(Busy, seconds, stage)
		s.Spread(Took, now.Took[stage], stage)
	}
	s.Spread(Batch, now.Batch)
}

// stages says how many goroutines each stage has.
func (r *Rank) stages(s Sink) {
	f := r.State.Facts()
	if f.Job == "" {
		return
	}
	for stage, n := range map[telemetry.Stage]int{
		telemetry.Fetch: f.Fetchers, telemetry.Decode: f.Decoders, telemetry.Infer: f.Sessions, telemetry.Commit: 1,
	} {
		s.Value(Workers, float64(n), stage.String())
	}
}

// storage counts calls of the stores that keep statistics: those on a network.
func (r *Rank) storage(s Sink) {
	for what, st := range r.Stores {
		n, ok := store.StatsOf(st)
		if !ok {
			continue
		}
		s.Value(StorageCalls, float64(n.Calls), what)
		s.Value(StorageRetry, float64(n.Retries), what)
		s.Value(StorageSlow, float64(n.Throttled), what)
		s.Value(StorageStall, float64(n.Stalls), what)
		s.Value(StoragePause, n.Paused.Seconds(), what)
		s.Value(StorageLimit, float64(n.Limit), what)
		s.Value(StorageOpen, float64(n.UnderWay), what)
	}
}

// gpu is what the GPU reports while images are scored.
func (r *Rank) gpu(s Sink) {
	g, ok := r.State.Facts().Sampler.Gauges()
	if !ok {
		return
	}
	s.Value(GPUUtil, g.Busy)
	s.Value(GPUBusy, g.BusySeconds)
	s.Value(GPUSeen, g.Seconds)
	s.Value(GPUMemory, g.MemoryMB*(1<<20))
	s.Value(GPUTemp, g.Celsius)
	s.Value(GPUEnergy, g.Joules)
	s.Value(GPUThrottle, g.ThrottledSeconds)
}

// ShortDigest returns the first digits of a digest, which are enough to tell models apart.
func ShortDigest(digest string) string {
	_, digest, _ = strings.Cut(digest, ":") // of sha256:...
	const digits = 12
	return digest[:min(len(digest), digits)]
}
