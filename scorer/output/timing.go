package output

import (
	"context"
	"math"
	"slices"
	"time"

	"github.com/batchscore/batchscore/scorer/claim"
	"github.com/batchscore/batchscore/scorer/cost"
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

// Bill is what Finish needs to say what a job cost. Its zero value knows no price.
type Bill struct {
	// Price is that of the worker that finishes the job, which counts for those that left no
	// summary, too; nil if it is not known.
	Price *cost.Price
	// Worker is the ID of that worker. If there is a price, Finish waits a little for the
	// summaries of the ranks that were started with it.
	Worker string
}

// summaryWait is how long the summaries of other ranks are awaited: they write them when
// they notice that no chunk is left.
const summaryWait = 5 * time.Second

// bill fills in the hours that were worked, and what they cost.
func (s *Success) bill(ctx context.Context, st store.Store, job *Job, b Bill) error {
	if job.Older() {
		return nil
	}
	workers, err := ReadSummaries(ctx, st)
	if err != nil {
		return err
	}
	for end := time.Now().Add(summaryWait); b.Price != nil && s.unreported(workers, b) && time.Now().Before(end); {
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if workers, err = ReadSummaries(ctx, st); err != nil {
			return err
		}
	}
	committed := 0
	for i := range workers {
		committed += workers[i].Images
	}
	signs, err := claim.Signs(ctx, st, job.ClaimNames(s.Chunks), committed < s.Images)
	if err != nil {
		return err
	}
	s.Hours, s.Cost = cost.Sum(work(workers, signs, b.Price), s.scored())
	if s.Hours != nil && s.unreported(workers, b) {
		s.Hours.AtLeast = true
		if s.Cost != nil {
			s.Cost.AtLeast = true
		}
	}
	return nil
}

// scored returns how many images were scored: not those whose rows are of an earlier output.
func (s *Success) scored() int {
	n := s.Images
	if i := s.Increment; i != nil {
		n -= i.Copied
	}
	return max(n, 0)
}

// unreported reports whether ranks that were started with this one have no summary yet, or
// images have rows that no summary counts.
func (s *Success) unreported(workers []WorkerSummary, b Bill) bool {
	var mine WorkerSummary
	for i := range workers {
		if workers[i].Worker.ID == b.Worker {
			mine = workers[i]
		}
	}
	reported, committed := map[int]bool{}, 0
	for i := range workers {
		w := &workers[i]
		committed += w.Images
		if w.Worker.World == mine.Worker.World && w.Started.Add(duration(w.Seconds)).After(mine.Started) {
			reported[w.Worker.Rank] = true
		}
	}
	return len(reported) < mine.Worker.World || committed < s.Images
}

// work returns the time that each worker was at work. Of those without a summary, signs say
// when they were, and they have that price.
func work(workers []WorkerSummary, signs []claim.Sign, price *cost.Price) []cost.Work {
	var all []cost.Work
	known := map[string]bool{}
	for i := range workers {
		w := &workers[i]
		known[w.Worker.ID] = true
		all = append(all, cost.Work{Host: machine(&w.Worker), From: w.Started, To: w.Started.Add(duration(w.Seconds)), Price: w.Price})
	}
	for i := range signs {
		if s := &signs[i]; !known[s.Worker.ID] {
			all = append(all, cost.Work{Host: machine(&s.Worker), From: s.First, To: s.Last, Price: price, Guessed: true})
		}
	}
	return all
}

// machine returns what distinguishes the machine of a worker from others.
func machine(w *claim.Worker) string { return w.Host + " " + w.BootID }

// History is the rate of a job over its time so far, in equal steps from its start to its
// last part. Images count when their part is written.
type History struct {
	StepSeconds float64   `json:"step_seconds"`
	Rates       []float64 `json:"images_per_second"`
}

const (
	mostSteps    = 24
	partsPerStep = 3 // at least, in the mean: fewer show the size of chunks
	leastSteps   = 4
)

// history returns the rates of a job by the times of its parts; nil if there are too few
// parts, and if the parts of a complete job are not as old as the job: they were copied.
func (o *Observer) history(parts map[int]time.Time, last time.Time, s *Success) *History {
	took := last.Sub(o.started)
	steps := min(mostSteps, len(parts)/partsPerStep)
	if steps < leastSteps || took <= 0 {
		return nil
	}
	if s != nil && math.Abs(took.Seconds()-s.MakespanSeconds) > max(0.2*s.MakespanSeconds, 2) {
		return nil
	}
	h := &History{StepSeconds: took.Seconds() / float64(steps), Rates: make([]float64, steps)}
	for chunk, at := range parts {
		first, end := o.chunks.Range(chunk)
		step := int(float64(steps) * at.Sub(o.started).Seconds() / took.Seconds())
		h.Rates[min(max(step, 0), steps-1)] += float64(end-first) / h.StepSeconds
	}
	return h
}

// rate returns the time of the last part, and the images per second of the last parts.
func (o *Observer) rate(parts map[int]time.Time) (last time.Time, rate float64) {
	type part struct {
		at     time.Time
		images int
	}
	var all []part
	for chunk, at := range parts {
		first, end := o.chunks.Range(chunk)
		all = append(all, part{at, end - first})
	}
	if len(all) == 0 {
		return time.Time{}, 0
	}
	slices.SortFunc(all, func(a, b part) int { return a.at.Compare(b.at) })
	last = all[len(all)-1].at
	// Rate counts from the part before the recent ones.
	from := o.started
	if len(all) > recentParts {
		all = all[len(all)-recentParts-1:]
		from, all = all[0].at, all[1:]
	}
	images := 0
	for _, p := range all {
		images += p.images
	}
	if took := last.Sub(from).Seconds(); took > 0 {
		rate = float64(images) / took
	}
	return last, rate
}
