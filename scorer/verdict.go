package scorer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/batchscore/batchscore/models/preprocess"
	"github.com/batchscore/batchscore/scorer/judge"
	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/telemetry/event"
	"github.com/batchscore/batchscore/shard"
)

// ErrFailing means that the job was stopped before it was complete, because too many
// images fail. What is committed is kept.
var ErrFailing = errors.New("stopped, because too many images fail")

// halted is ErrFailing, with what a person should know about it.
type halted struct{ text string }

func (f halted) Error() string { return ErrFailing.Error() + ": " + f.text }

func (halted) Unwrap() error { return ErrFailing }

// Failing returns the error of a job that writes to place and was stopped by a verdict.
func Failing(s *judge.Stop, why, place string) error {
	return halted{s.Text(why, output.ShowCommand(place, s.Failed))}
}

// checkLimits returns ErrTooManyFailed if a complete job has more failed images than
// allowed. place is the output, for the error.
func checkLimits(l judge.Limits, job *output.Job, s output.Success, place string) error {
	images, statuses := s.Judged()
	says := limitsOf(l, job).Exceeded(job.MaxErrors, images, statuses)
	if says == "" {
		return nil
	}
	return fmt.Errorf("%w: %s; every image has its row, which says why: %s", ErrTooManyFailed, says, output.ShowCommand(place, statuses))
}

// limitsOf returns limits as they are for a job.
func limitsOf(l judge.Limits, job *output.Job) judge.Limits {
	if job.Increments() {
		return l.OfIncrement()
	}
	return l
}

// verdict decides whether a complete job is a success.
type verdict struct {
	maxErrors judge.Limits
	strict    bool // about drift
	log       zerolog.Logger
}

func (o *Options) verdict() verdict {
	return verdict{maxErrors: o.MaxErrors, strict: o.StrictDrift, log: o.Log}
}

// Verdict returns ErrTooManyFailed or ErrDrifted, or both, for a complete job that a
// run with these limits, and with --strict-drift if strict is set, calls no success.
func Verdict(job *output.Job, s output.Success, place string, maxErrors judge.Limits, strict bool) error {
	return verdict{maxErrors: maxErrors, strict: strict, log: zerolog.Nop()}.check(job, s, place)
}

// check returns ErrTooManyFailed or ErrDrifted, or both, if a complete job is not a
// success. place is the output, for the error.
func (v verdict) check(job *output.Job, s output.Success, place string) error {
	err := checkLimits(v.maxErrors, job, s, place)
	if err == nil && s.Mine {
		v.tellSpared(job, &s)
	}
	switch {
	case !v.strict || job.Retry != nil:
	case s.Drift == nil:
		err = errors.Join(err, fmt.Errorf("%w: the images could not be listed again, so nobody knows whether some were added; run it again",
			store.ErrUnavailable))
	case *s.Drift != output.Drift{}:
		err = errors.Join(err, fmt.Errorf("%w: %s (--strict-drift)", ErrDrifted, s.Drift))
	}
	return err
}

// tellSpared says so if a job is a success only because the shares of its limits do not apply to
// few new images.
func (v verdict) tellSpared(job *output.Job, s *output.Success) {
	if !job.Increments() {
		return
	}
	images, statuses := s.Judged()
	if says := v.maxErrors.Exceeded(job.MaxErrors, images, statuses); says != "" {
		event.FailuresFew.On(v.log).Int("images", images).Int("failed", row.Failed(statuses)).Interface("statuses", statuses).
			Msgf("images failed, but so few are new or have changed that no percentage of --max-errors applies: %s", says)
	}
}

// early returns the limits of a job that runs. An image that was replaced since the job
// listed it, perhaps by one that is whole, does not count if a retry will score it.
func (o *Options) early(job *output.Job) judge.Limits {
	l := limitsOf(o.MaxErrors, job)
	if o.Retry.Has(row.StatusChanged) {
		return l.Ignoring(row.StatusChanged)
	}
	return l
}

// scopeOf returns which images of a job with that manifest its limits are about.
func scopeOf(job *output.Job, m *shard.Manifest) (judge.Scope, error) {
	if job.Increments() {
		return judge.NewOf(job.Chunks(m.Len()), m)
	}
	return judge.AllOf(job.Chunks(m.Len())), nil
}

// watch judges the job while this worker takes part in it, until the function that it
// returns is called.
func (w *worker) watch(ctx context.Context, start *shard.Set) (end func()) {
	o := &w.opt
	watcher := &judge.Watcher{
		Store: o.Out, Job: w.job.ID, Chunks: w.chunks, Scope: w.scope, Worker: w.me, Limits: o.early(w.job), Default: w.job.MaxErrors, Counter: w.failures,
		Past: w.past, Forgiven: o.Retry, Start: start, Often: judge.Often, Seldom: judge.Seldom, Log: o.Log,
		Done: func(ctx context.Context) (*shard.Set, error) { return output.Done(ctx, o.Out, w.job, w.chunks) },
		Stop: func(s *judge.Stop, why string) {
			err := Failing(s, why, o.Out.String())
			event.JobFailing.In(ctx, o.Log).Int("failed", row.Failed(s.Failed)).Int("done", s.Done).Int("images", s.Images).Interface("statuses", s.Failed).
				Msg("too many images fail: " + why)
			w.halt.request(err)
		},
	}
	if o.judging > 0 {
		watcher.Often, watcher.Seldom = o.judging, o.judging
	}
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() { watcher.Run(ctx) })
	return func() {
		cancel()
		running.Wait()
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
		defer cancel()
		watcher.End(ending)
	}
}

// judged returns ErrFailing if the job was stopped before because too many images fail,
// and nothing has changed since. With Options.Retry that is so if none of the images that
// were named as examples can be read now.
func (p *participant) judged(ctx context.Context) error {
	o := &p.opt
	job, err := output.ReadJob(ctx, o.Out)
	if errors.Is(err, store.ErrNotExist) {
		p.past = new(judge.Past)
		return nil
	}
	if err != nil {
		return err
	}
	p.past = new(judge.Past)
	if err := p.past.Look(ctx, o.Out, job.ID, o.Retry != nil); err != nil {
		return err
	}
	s := p.past.Stop
	if s == nil {
		p.past.Forget()
		return nil
	}
	why, holds := s.Holds(o.MaxErrors, job.MaxErrors, nil)
	if !holds {
		p.past.Forget()
		return nil
	}
	if _, _, err := output.Join(ctx, o.Out, o.Job); err != nil {
		return err
	}
	if few, err := p.fewLeft(ctx, &job); few || err != nil {
		return err
	}
	if o.Retry == nil {
		return Failing(s, why, o.Out.String())
	}
	if why, still := s.Holds(o.MaxErrors, job.MaxErrors, o.Retry); still {
		return Failing(s, why, o.Out.String())
	}
	well, err := p.recovered(ctx, &job, s.Examples)
	if err != nil {
		return err
	}
	if !well {
		return Failing(s, why+", and the images that are named here fail as before", o.Out.String())
	}
	event.CauseGone.In(ctx, o.Log).Msg("the job was stopped because too many images failed, and some of them can be read now: " +
		"it continues, and scores them again at its end")
	return nil
}

// fewLeft reports whether too few images have no row yet for a judgement.
func (p *participant) fewLeft(ctx context.Context, job *output.Job) (bool, error) {
	m, err := output.ReadManifest(ctx, p.opt.Out)
	if err != nil {
		return errors.Is(err, store.ErrNotExist), nil //nolint:nilerr // whoever joins the job says what is wrong with it
	}
	defer m.Close()
	chunks := job.Chunks(m.Len())
	set, err := output.Done(ctx, p.opt.Out, job, chunks)
	if err != nil {
		return false, err
	}
	scope, err := scopeOf(job, m)
	if err != nil {
		return false, err
	}
	return scope.Of(func(chunk int) bool { return !set.Has(chunk) }) < judge.Least, nil
}

// recovered reports whether one of those images can be read and decoded now, or none can
// be tried.
func (p *participant) recovered(ctx context.Context, job *output.Job, examples []judge.Example) (bool, error) {
	o := &p.opt
	bounds := o.Decode
	bounds.MaxPixels, bounds.MaxBytes = job.Bounds()
	bounds.MaxMemory = cmp.Or(job.MaxMemory, math.MaxInt64)
	bounds.Tiles = preprocess.Unscored{} // there is no engine yet
	decoder, err := preprocess.NewDecoder(o.Contract.Preprocess, bounds)
	if err != nil {
		return false, err
	}
	defer decoder.Close()
	pixels := make([]byte, bounds.RowBytes(o.Contract.Preprocess))
	tried := 0
	for _, e := range examples {
		if !o.Retry.Has(e.Status) || e.Status == row.StatusQuarantined {
			continue
		}
		tried++
		body, _, err := store.ReadAll(ctx, o.Images, e.Path, bounds.MaxBytes)
		switch {
		case errors.Is(err, store.ErrNotExist), errors.Is(err, store.ErrUnreadable), errors.Is(err, store.ErrChanged), errors.As(err, new(*store.TooLarge)):
			continue
		case err != nil:
			return false, fmt.Errorf("read image %q from %s: %w", e.Path, o.Images, err)
		}
		if err := decoder.DecodeWithin(ctx, pixels, body, 0); err == nil {
			return true, nil
		} else if failure(err) == nil {
			return false, err
		}
	}
	return tried == 0, nil
}
