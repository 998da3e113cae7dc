package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/batchscore/batchscore/scorer"
	"github.com/batchscore/batchscore/scorer/judge"
	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/telemetry/event"
	"github.com/batchscore/batchscore/scorer/telemetry/metrics"
)

// recheck is how often it is checked that all rows of a complete job are still there.
const recheck = time.Hour

// readTime is how long one reading of a place may take. The first reads all parts.
const readTime = 15 * time.Minute

// exported is one place whose job is exported. One goroutine reads it; any may collect
// what was read last.
type exported struct {
	place        store.Store
	stalled, due time.Duration

	// Of the job that is read now.
	name     string // in a folder of runs; empty if the place is the output
	st       store.Store
	observer *output.Observer
	done     *seen     // if it is complete and nothing is left to be read
	checked  time.Time // when the rows of done were looked for
	recheck  time.Duration

	mu     sync.Mutex
	last   *seen // of the last reading; nil before there is one
	failed error // of the last reading
	errors int
	at     time.Time
	took   time.Duration
}

// seen is what is known of a job.
type seen struct {
	job      output.Job
	inFolder bool // of runs
	progress output.Progress
	success  *output.Success // nil before the job is complete
	verdict  error           // of a complete job
	damaged  error           // of a complete job whose rows are not all there any more
	failing  bool            // its ranks stopped because too many images fail
	due      time.Time
	idle     time.Time // when it was last known to get on
}

func newExported(st store.Store, stalled, due time.Duration) *exported {
	return &exported{place: st, stalled: stalled, due: due, recheck: recheck}
}

// read reads the place once.
func (p *exported) read(ctx context.Context, log zerolog.Logger) {
	start := time.Now()
	timed, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	found, err := p.look(timed)
	if ctx.Err() != nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	before := p.failed
	p.failed, p.took = err, time.Since(start)
	if err != nil {
		p.errors++
		if before == nil || before.Error() != err.Error() {
			event.ExportUnread.On(log).Err(err).Stringer("place", p.place).Msg("the progress could not be read; it is tried again")
		}
		return
	}
	if d := found.damaged; d != nil && (p.last == nil || p.last.damaged == nil || p.last.damaged.Error() != d.Error()) {
		event.ExportDamaged.On(log).Err(d).Str("place", p.st.String()).Msg("a complete output is damaged; its alert fires")
	}
	p.last, p.at = found, time.Now()
}

// look returns what is known of the job now.
func (p *exported) look(ctx context.Context) (*seen, error) {
	if err := p.find(ctx); err != nil {
		return nil, err
	}
	if done := p.done; done != nil {
		if err := p.same(ctx); err != nil || p.done == nil || time.Since(p.checked) < p.recheck {
			return done, err
		}
		again := *done
		if err := p.check(ctx, &again); err != nil {
			return nil, err
		}
		p.done = &again
		return p.done, nil
	}
	s := &seen{inFolder: p.name != ""}
	var err error
	if s.job, err = output.ReadJob(ctx, p.st); err != nil {
		return nil, err
	}
	success, err := output.ReadSuccess(ctx, p.st)
	switch {
	case err == nil:
		s.success = &success
		if s.verdict, err = judgeExported(&s.job, success, p.st); err != nil {
			return nil, err
		}
		retries, err := output.ReadRetries(ctx, p.st)
		if err != nil {
			return nil, err
		}
		if retries.Begun == nil && retries.Complete <= success.Generation() {
			s.progress = ofSuccess(p.st, &success)
			if err := p.check(ctx, s); err != nil {
				return nil, err
			}
			p.done = s
			return s, nil
		}
	case !errors.Is(err, store.ErrNotExist):
		return nil, err
	}
	if s.progress, err = p.observer.Look(ctx); err != nil {
		return nil, err
	}
	s.progress.Statuses, s.progress.Judged = maps.Clone(s.progress.Statuses), maps.Clone(s.progress.Judged) // the observer continues to count
	s.failing = endedFailing(&s.progress)
	s.idle = s.progress.Started
	if s.progress.Last.After(s.idle) {
		s.idle = s.progress.Last
	}
	if p.due > 0 {
		s.due = s.progress.Started.Add(p.due)
	}
	return s, nil
}

// check looks whether the rows of a complete job are still there: its own parts, by a list of
// them, and the outputs that it keeps rows of.
func (p *exported) check(ctx context.Context, s *seen) error {
	err := s.success.CheckParts(ctx, p.st)
	if err == nil {
		err = output.CheckSources(ctx, p.st, &s.job)
	}
	if err != nil && !errors.Is(err, output.ErrMismatch) {
		return err
	}
	s.damaged, p.checked = err, time.Now()
	return nil
}

// same forgets a complete job whose _SUCCESS has been replaced or removed, or of which a
// retry has begun.
func (p *exported) same(ctx context.Context) error {
	s, err := output.ReadSuccess(ctx, p.st)
	if err != nil {
		p.forget()
		return err
	}
	r, err := output.ReadRetries(ctx, p.st)
	if err != nil || r.Begun != nil || s.Checksum != p.done.success.Checksum {
		p.forget() // and read again next time
	}
	return err
}

func (p *exported) forget() { p.st, p.observer, p.done = nil, nil, nil }

// find finds the output: the place, or the run in it whose name is last.
func (p *exported) find(ctx context.Context) error {
	if p.st != nil && p.name == "" {
		return nil
	}
	_, err := output.ReadJob(ctx, p.place)
	switch {
	case err == nil:
		p.use("", p.place)
		return nil
	case !errors.Is(err, store.ErrNotExist):
		return err
	}
	var names []string
	err = store.Folders(ctx, p.place, "", func(name string) error {
		names = append(names, name)
		return nil
	})
	if err != nil {
		return err
	}
	slices.SortFunc(names, func(a, b string) int { return strings.Compare(b, a) })
	for _, name := range names {
		if p.st != nil && name == p.name {
			return nil // nothing newer
		}
		if strings.HasPrefix(name, ".") {
			continue
		}
		run := store.NewSub(p.place, name+"/")
		_, err := output.ReadJob(ctx, run)
		switch {
		case errors.Is(err, store.ErrNotExist):
			continue
		case err != nil:
			return err
		}
		p.use(name, run)
		return nil
	}
	p.forget()
	return fmt.Errorf("%s: %w: it is neither an output nor a folder of them, or no rank has begun", p.place, store.ErrNotExist)
}

func (p *exported) use(name string, st store.Store) {
	p.name, p.st, p.observer, p.done = name, st, output.Observe(st), nil
}

// judgeExported returns the verdict on a complete job, by the threshold of the run that
// completed it.
func judgeExported(job *output.Job, s output.Success, st store.Store) (verdict, err error) {
	threshold, err := judge.ParseLimits(s.MaxErrors)
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %w", st, output.ErrMismatch, err)
	}
	return scorer.Verdict(job, s, st.String(), threshold, false), nil
}

// ofSuccess returns the progress of a job that is complete, without reading its parts.
func ofSuccess(st store.Store, s *output.Success) output.Progress {
	_, judged := s.Judged()
	return output.Progress{
		Output: st.String(), Job: s.Job, Stage: output.Complete, Simulated: s.Simulated, Images: s.Images, ImagesDone: s.Images,
		Chunks: s.Chunks, ChunksDone: s.Chunks, Statuses: s.Statuses, Started: s.Started, Last: s.Ended, Rate: s.ImagesPerSecond, Storage: s.Storage, Judged: judged,
		Hours: s.Hours, Cost: s.Cost,
	}
}

// collect gives the values of the last reading.
func (p *exported) collect(s metrics.Sink) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.last == nil && p.failed == nil {
		return // it was not read yet
	}
	s.Value(metrics.JobUp, one(p.failed == nil))
	s.Value(metrics.JobReadErrors, float64(p.errors))
	s.Value(metrics.JobReadTook, p.took.Seconds())
	s.Time(metrics.JobRead, p.at)
	damaged := errors.Is(p.failed, output.ErrMismatch)
	if p.last == nil {
		s.Value(metrics.JobState, one(damaged), "failed", p.place.String())
		return
	}
	s.Value(metrics.JobFolder, one(p.last.inFolder))
	p.last.collect(s, time.Now(), p.stalled, damaged)
}

func (v *seen) collect(s metrics.Sink, now time.Time, stalled time.Duration, damaged bool) {
	p := &v.progress
	s.Value(metrics.JobInfo, 1, p.Output, p.Job, v.job.Model, metrics.ShortDigest(v.job.ModelDigest), v.job.Device)
	complete := v.success != nil
	for state, is := range map[string]bool{
		"running":  p.Stage != output.Stopped && p.Stage != output.Complete,
		"stopped":  p.Stage == output.Stopped,
		"stalled":  !complete && now.Sub(v.idle) >= stalled,
		"complete": complete,
		"failing":  v.failing,
		"failed":   damaged || v.damaged != nil || v.verdict != nil || p.Stage == output.Stopped && allFailed(p.Ranks),
		"overdue":  !complete && !v.due.IsZero() && now.After(v.due),
	} {
		s.Value(metrics.JobState, one(is), state, p.Output)
	}
	s.Value(metrics.JobExpected, float64(p.Images))
	s.Value(metrics.JobDone, float64(p.ImagesDone))
	s.Value(metrics.JobChunks, float64(p.Chunks))
	s.Value(metrics.JobChunked, float64(p.ChunksDone))
	s.Value(metrics.JobRate, p.Rate)
	if p.LeftSeconds > 0 {
		s.Value(metrics.JobLeft, p.LeftSeconds)
	}
	for status, n := range p.Statuses {
		s.Value(metrics.JobImages, float64(n), status)
	}
	for status, n := range p.Judged {
		s.Value(metrics.JobJudged, float64(n), status)
	}
	s.Value(metrics.JobRanks, float64(p.Alive()), "true")
	s.Value(metrics.JobRanks, float64(len(p.Ranks)-p.Alive()), "false")
	s.Time(metrics.JobStart, p.Started)
	s.Time(metrics.JobLast, p.Last)
	s.Time(metrics.JobDeadline, v.due)
	sign := p.Last
	for _, r := range p.Ranks {
		if r.Sign.After(sign) {
			sign = r.Sign
		}
	}
	s.Time(metrics.JobSign, sign)
	if h := p.Hours; h != nil {
		s.Value(metrics.JobWorked, h.Device*3600, "devices")
		s.Value(metrics.JobWorked, h.Node*3600, "machines")
	}
	if c := p.Cost; c != nil {
		s.Value(metrics.JobCost, c.Amount, c.Currency)
	}
	if p.Storage != nil {
		for kind, n := range map[string]int64{"all": p.Storage.Calls, "retried": p.Storage.Retries, "throttled": p.Storage.Throttled, "stalled": p.Storage.Stalls} {
			s.Value(metrics.JobStorage, float64(n), kind)
		}
	}
	if complete {
		v.ended(s)
	}
}

// ended gives what is known of a complete job only.
func (v *seen) ended(s metrics.Sink) {
	s.Time(metrics.JobEnd, v.success.Ended)
	for status, n := range v.success.AllStatuses() {
		s.Value(metrics.JobKept, float64(n), status)
	}
	if inc := v.success.Increment; inc != nil {
		for change, n := range map[string]int{
			"new": inc.New, "changed": inc.Changed, "retried": inc.Retried, "renamed": inc.Renamed, "kept": inc.Kept, "gone": inc.Gone,
		} {
			s.Value(metrics.JobChange, float64(n), change)
		}
	}
}

// allFailed reports whether there are ranks and all of them said that they failed.
func allFailed(ranks []output.RankProgress) bool {
	return len(ranks) > 0 && !slices.ContainsFunc(ranks, func(r output.RankProgress) bool { return r.End != "failed" })
}

func one(is bool) float64 {
	if is {
		return 1
	}
	return 0
}
