package output

import (
	"context"
	"slices"
	"time"

	"github.com/batchscore/batchscore/scorer/claim"
	"github.com/batchscore/batchscore/scorer/store"
)

// started moves Started back to t if t is earlier.
func (s *Success) started(t time.Time) {
	if s.Started.IsZero() || t.Before(s.Started) {
		s.Started = t.UTC()
	}
}

// ended moves Ended on to t if t is later.
func (s *Success) ended(t time.Time) {
	if t.After(s.Ended) {
		s.Ended = t.UTC()
	}
}

// timing fills in when the job ran and on what. modified are the times of its parts.
// Workers that were killed left no summary; the times of the record and the parts
// include them.
func (s *Success) timing(ctx context.Context, st store.Store, job *Job, modified []time.Time) error {
	_, record, err := readWhole(ctx, st, jobName, recordMost)
	if err != nil {
		return err
	}
	signs := append([]time.Time{record.Modified}, modified...)
	for _, t := range signs {
		s.started(t)
		s.ended(t)
	}
	workers, err := ReadSummaries(ctx, st)
	if err != nil {
		return err
	}
	s.Devices = []string{}
	var spans []span
	for i := range workers {
		w := &workers[i]
		at := span{w.Started, w.Started.Add(duration(w.Seconds))}
		spans = append(spans, at)
		s.started(at.from)
		s.ended(at.to)
		s.MixedDecoding = s.MixedDecoding || w.Images > 0 && w.Decoding != job.Decoding
		if !slices.Contains(s.Devices, w.Device) {
			s.Devices = append(s.Devices, w.Device)
		}
	}
	slices.Sort(s.Devices)
	s.GPUKinds, s.GPU, s.LeastBatch = gpuKinds(workers), gpuTotal(workers), leastBatch(workers)
	s.Workers, s.ScoredTwice = len(workers), scoredTwice(workers)
	s.Storage = sumStorage(workers)
	s.MakespanSeconds = s.Ended.Sub(s.Started).Seconds()
	// A worker that was killed may have left nothing but claims.
	if err := claim.Times(ctx, st, job.ClaimNames(s.Chunks), func(t time.Time) { signs = append(signs, t) }); err != nil {
		return err
	}
	if !covered(signs, spans) {
		found, unsure := atWork(signs, spans)
		if spans = append(spans, found...); unsure > total(spans)/10 {
			spans = nil
		}
	}
	s.WorkedSeconds = max(min(total(spans).Seconds(), s.MakespanSeconds), 0)
	if s.MakespanSeconds > 0 {
		s.ImagesPerSecond = float64(s.Images) / s.MakespanSeconds
	}
	if s.WorkedSeconds > 0 {
		s.WorkedImagesPerSecond = float64(s.Images) / s.WorkedSeconds
	}
	return nil
}

// span is a time in which a worker was at work.
type span struct{ from, to time.Time }

// slack is how much later than the end of a worker the store may say that its last
// part was created.
const slack = 2 * time.Second

// covered reports whether every time is within one of the spans. If not, a worker was
// killed, and left no summary.
func covered(times []time.Time, spans []span) bool {
	return !slices.ContainsFunc(times, func(t time.Time) bool { return !within(t, spans) })
}

// within reports whether a time is within one of the spans.
func within(t time.Time, spans []span) bool {
	return slices.ContainsFunc(spans, func(s span) bool {
		return !t.Before(s.from.Add(-slack)) && !t.After(s.to.Add(slack))
	})
}

// SignInterval is the longest time between two signs of a worker at work, whatever its
// lease: it renews what it has claimed three times as often.
const SignInterval = time.Minute

// atWork returns the spans between signs of workers that follow one another closely,
// and how much longer they may have been at work: a worker that was killed worked for a
// while after its last sign. reported are the spans of workers that were not killed.
func atWork(signs []time.Time, reported []span) (spans []span, unsure time.Duration) {
	slices.SortFunc(signs, time.Time.Compare)
	for i := 1; i < len(signs); i++ {
		last := signs[i-1]
		if signs[i].Sub(last) <= SignInterval {
			spans = append(spans, span{last, signs[i]})
		} else if !within(last, reported) {
			unsure += SignInterval
		}
	}
	return spans, unsure
}

// total returns how long the spans are together. What several have in common counts
// once.
func total(spans []span) time.Duration {
	slices.SortFunc(spans, func(a, b span) int { return a.from.Compare(b.from) })
	var sum time.Duration
	var end time.Time
	for _, s := range spans {
		if s.from.Before(end) {
			s.from = end
		}
		if s.to.After(s.from) {
			sum += s.to.Sub(s.from)
			end = s.to
		}
	}
	return sum
}

// scoredTwice returns how many images workers scored whose part another worker
// committed first.
func scoredTwice(workers []WorkerSummary) int {
	n := 0
	for i := range workers {
		if w := &workers[i]; w.End == "done" {
			n += max(w.Scored-w.Images, 0)
		}
	}
	return n
}

// leastBatch returns the smallest batch to which a worker halved its own; 0 for none.
func leastBatch(workers []WorkerSummary) int {
	least := 0
	for i := range workers {
		w := &workers[i]
		if b := max(w.Batch>>w.BatchHalved, 1); w.BatchHalved > 0 && (least == 0 || b < least) {
			least = b
		}
	}
	return least
}

// CountWorkers sets ScoredTwice, LeastBatch and what is known of GPUs to what the summaries
// of all workers say, those included that ended after the record was written.
func (s *Success) CountWorkers(ctx context.Context, st store.Store) error {
	workers, err := ReadSummaries(ctx, st)
	if err == nil {
		s.ScoredTwice, s.GPU, s.LeastBatch = scoredTwice(workers), gpuTotal(workers), leastBatch(workers)
		s.GPUKinds = joined(s.GPUKinds, gpuKinds(workers)) // which may include retries
	}
	return err
}
