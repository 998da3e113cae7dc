package judge

import (
	"context"
	"maps"
	"time"

	"github.com/rs/zerolog"

	"github.com/batchscore/batchscore/scorer/claim"
	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/telemetry/event"
	"github.com/batchscore/batchscore/shard"
)

// Watcher judges one job while one worker takes part in it. It is for one goroutine.
type Watcher struct {
	Store  store.Store
	Job    string // its ID
	Chunks shard.Chunks
	Scope  Scope
	Worker claim.Worker
	Limits Limits
	// Default is the share that the job's record names.
	Default string
	Counter *Counter
	// Past is what was there when the worker began. What it forgives does not count:
	// images with these statuses are scored again once the others have their rows.
	Past     *Past
	Forgiven row.Selection
	// Done lists the chunks that are committed.
	Done func(ctx context.Context) (*shard.Set, error)
	// Start are the chunks that were committed when the worker began.
	Start *shard.Set
	// Stop is called at most once, with the verdict and why it holds.
	Stop func(s *Stop, why string)
	// Often and Seldom are the pauses between looks at the store: of a worker whose
	// images fail, and of any other.
	Often, Seldom time.Duration
	Log           zerolog.Logger

	groups    []group
	known     int              // verdicts at the start
	forgiven  map[string]Tally // of those workers, at the start
	done      *shard.Set
	published Tally
	number    int
}

// The pauses of a job.
const (
	Often  = 2 * time.Second
	Seldom = 20 * time.Second
	// glance is the pause between looks at what this worker counted, which cost nothing.
	glance = 250 * time.Millisecond
)

// Run judges until ctx ends or the job is to be stopped.
func (w *Watcher) Run(ctx context.Context) {
	w.begin()
	tick := time.NewTicker(min(glance, w.Often))
	defer tick.Stop()
	looked, warned := time.Now(), false
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		pause := w.Seldom
		tally, suspicious := w.Counter.tally()
		if suspicious {
			pause = w.Often
		}
		if time.Since(looked) < pause {
			continue
		}
		over, err := w.look(ctx, tally, suspicious)
		looked = time.Now()
		if ctx.Err() != nil || over {
			return
		}
		if err != nil && !warned {
			warned = true
			event.FailuresUnknown.In(ctx, w.Log).Err(err).Msg("cannot tell whether too many images fail; the job continues")
		}
	}
}

func (w *Watcher) begin() {
	w.groups = w.Limits.groups(w.Default, w.Scope.Images)
	w.known, w.done, w.forgiven = w.Past.stops, w.Start, map[string]Tally{}
	if w.Forgiven != nil {
		w.forgiven = maps.Clone(w.Past.Tallies)
	}
}

// End publishes what this worker counted if it may exceed a limit and was not published,
// so that a later run knows it.
func (w *Watcher) End(ctx context.Context) {
	tally, suspicious := w.Counter.tally()
	if !suspicious || tally.Images == w.published.Images {
		return
	}
	if err := w.publish(ctx, tally); err != nil {
		event.FailuresUnknown.In(ctx, w.Log).Err(err).Msg("could not record which images failed")
	}
}

func (w *Watcher) publish(ctx context.Context, t Tally) error {
	t.Job, t.Rank, t.World = w.Job, w.Worker.Rank, w.Worker.World
	if err := t.publish(ctx, w.Store, w.Worker.ID, w.number); err != nil {
		return err
	}
	w.published = t
	w.number++
	return nil
}

// grown reports whether a tally says enough that is new to be published.
func (w *Watcher) grown(t *Tally) bool {
	return 4*row.Failed(t.Failed) > 5*row.Failed(w.published.Failed) || 4*t.Sample.Chunks > 5*w.published.Sample.Chunks
}

// look looks for a verdict and, if images of this worker fail, judges. It reports whether
// the job was stopped.
func (w *Watcher) look(ctx context.Context, own Tally, suspicious bool) (over bool, err error) {
	if suspicious && w.grown(&own) {
		if err := w.publish(ctx, own); err != nil {
			return false, err
		}
	}
	if err := w.Past.Look(ctx, w.Store, w.Job, suspicious); err != nil {
		return false, err
	}
	if w.obey() {
		return true, nil
	}
	if !suspicious {
		return false, nil
	}
	own.Rank, own.World = w.Worker.Rank, w.Worker.World
	w.Past.Tallies[w.Worker.ID] = own
	// The chunks that were committed at the last look are fewer, so more failures seem to
	// be left: only if these are too many is it worth listing again.
	if f := w.facts(); f.judgeRest(w.groups) == nil {
		return false, nil
	}
	if w.done, err = w.Done(ctx); err != nil {
		return false, err
	}
	f := w.facts()
	if f.judge(w.groups) == nil {
		return false, nil
	}
	if err := w.Past.pronounce(ctx, w.Store, w.verdict(f)); err != nil {
		return false, err
	}
	return w.obey(), nil
}

// obey stops the job if there is a new verdict that holds for this worker.
func (w *Watcher) obey() bool {
	s := w.Past.Stop
	if s == nil || s.number < w.known {
		return false
	}
	why, holds := s.Holds(w.Limits, w.Default, nil)
	if holds {
		w.Stop(s, why)
	}
	return holds
}

// facts returns what is known.
func (w *Watcher) facts() *facts {
	f := &facts{failed: map[string]int{}}
	f.done = w.Scope.Of(w.done.Has)
	f.left = w.Scope.Images - f.done
	if len(w.forgiven) > 0 { // what was before is not judged again
		f.done -= w.Scope.Of(w.Start.Has)
	}
	shares := map[int]share{}
	for who, t := range w.Past.Tallies {
		before, old := w.forgiven[who]
		for status, n := range t.Failed {
			if old && w.Forgiven.Has(status) {
				n -= before.Failed[status]
			}
			f.failed[status] += n
		}
		if s := shares[t.Rank]; !old && t.World == w.Worker.World && t.Sample.Chunks > s.Chunks {
			shares[t.Rank] = share{size: w.Chunks.Size, Sample: t.Sample}
		}
	}
	for rank, s := range shares {
		lo, hi := w.Chunks.Share(rank, w.Worker.World)
		for i := lo; i < hi; i++ {
			if i >= w.done.Len() || !w.done.Has(i) {
				s.left++
			}
		}
		f.shares = append(f.shares, s)
	}
	return f
}

// verdict returns the verdict on a job of which these facts are known.
func (w *Watcher) verdict(f *facts) *Stop {
	s := &Stop{Job: w.Job, Worker: w.Worker.ID, Limits: w.Limits.String(), Images: w.Scope.Images, Done: f.done, Failed: f.failed}
	for _, g := range w.groups {
		s.Groups = append(s.Groups, Group{Name: g.name, Expected: min(f.expected(&g), s.Images)})
	}
	broken := f.judge(w.groups)
	for _, mine := range []bool{true, false} {
		for who, t := range w.Past.Tallies {
			if _, old := w.forgiven[who]; old || mine != (who == w.Worker.ID) {
				continue
			}
			for _, e := range t.Examples {
				if len(s.Examples) < mostExamples && broken.has(e.Status) {
					s.Examples = append(s.Examples, e)
				}
			}
		}
	}
	return s
}
