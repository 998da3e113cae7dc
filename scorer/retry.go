package scorer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/batchscore/batchscore/deploy/shellquote"
	"github.com/batchscore/batchscore/models/preprocess"
	"github.com/batchscore/batchscore/models/preprocess/budget"
	"github.com/batchscore/batchscore/scorer/claim"
	"github.com/batchscore/batchscore/scorer/judge"
	"github.com/batchscore/batchscore/scorer/listing"
	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/prune"
	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/telemetry/event"
	"github.com/batchscore/batchscore/shard"
)

// errNotBegun means that rank 0, which begins retries, has not begun one.
var errNotBegun = errors.New("rank 0 has begun no retry")

// retrier completes a job and then scores some of its images again.
type retrier struct {
	job participant
	// bounds are the limits on images that the retry was asked for; none before
	// the job exists.
	bounds preprocess.Options
}

// run completes the job, if it is not complete, and then scores the images again
// whose rows have the statuses of Options.Retry. A retry that was begun before for
// other statuses is finished first. Any number of ranks may run at once: rank 0
// begins a retry, and the others join it.
func (r *retrier) run(ctx context.Context, start time.Time) (output.Success, error) {
	o := &r.job.opt
	began, err := r.startTime(ctx)
	if err != nil {
		return output.Success{}, err
	}
	first := r.job
	first.opt.StrictDrift = false // checked once all rows are together
	done, err := first.run(ctx, start)
	for {
		if err != nil && !errors.Is(err, ErrTooManyFailed) || done.Job == "" {
			return done, err
		}
		last := done.Generation()
		next, planErr := r.plan(ctx, done, began)
		if planErr != nil {
			return done, planErr
		}
		if next == nil {
			if driftErr := r.job.lookAgain(ctx, &done); driftErr != nil {
				return done, driftErr
			}
			return done, r.check(ctx, done)
		}
		if err := unneeded(ctx, o.Out, done.Job); err != nil {
			return done, err
		}
		if err := r.scoreAgain(ctx, next); errors.Is(err, errNotBegun) {
			event.RetryNotBegun.On(o.Log).Msg("rank 0 has begun no retry; this rank ends")
			return done, r.check(ctx, done)
		} else if err != nil {
			return done, err
		}
		done, err = r.job.publish(ctx, next.generation)
		// Another worker may have begun the retry at the same moment for other statuses.
		// Then what was asked for is still to be done.
		if err == nil && next.generation > last && done.Retry.Statuses.String() == o.Retry.String() && next.bounds == r.bounds {
			return done, r.check(ctx, done)
		}
	}
}

// check returns ErrTooManyFailed if the job has more failed images than allowed.
func (r *retrier) check(ctx context.Context, done output.Success) error {
	o := &r.job.opt
	job, err := output.ReadJob(ctx, o.Out)
	if err != nil {
		return err
	}
	return o.verdict().check(&job, done, o.Out.String())
}

// retryPlan is the retry to take part in next.
type retryPlan struct {
	generation int
	statuses   row.Selection
	bounds     preprocess.Options
}

// plan returns the retry to take part in next, nil if there is none left. began is
// when this rank started.
func (r *retrier) plan(ctx context.Context, done output.Success, began time.Time) (*retryPlan, error) {
	o := &r.job.opt
	retries, err := output.ReadRetries(ctx, o.Out)
	if err != nil {
		return nil, err
	}
	if joined, err := r.joined(ctx, done, began); joined || err != nil {
		return nil, err
	}
	if retries.Begun == nil {
		some, err := r.some(ctx, done, retries.Complete)
		if !some || err != nil {
			return nil, err
		}
		return &retryPlan{generation: done.Generation() + 1, statuses: o.Retry, bounds: r.bounds}, nil
	}
	// It may also be an earlier one, whose parts a repair took away.
	begun := &retryPlan{generation: retries.Complete + 1, statuses: retries.Begun.Retry.Statuses, bounds: r.bounds}
	if r.bounds.MaxPixels != 0 {
		begun.bounds = boundsOf(retries.Begun)
	}
	if begun.statuses.String() != o.Retry.String() || begun.bounds != r.bounds {
		event.RetryFinishedFirst.On(o.Log).Int("retry", begun.generation).Stringer("status", begun.statuses).Int64("max_pixels", begun.bounds.MaxPixels).
			Int64("max_image_memory", begun.bounds.MaxMemory).
			Msg("a retry that was begun before is finished first")
	}
	return begun, nil
}

// some reports whether there are images to score again, and logs it if there are none.
// complete is the last retry that is complete.
func (r *retrier) some(ctx context.Context, done output.Success, complete int) (bool, error) {
	o := &r.job.opt
	if o.Retry.Count(done.Statuses) > 0 || complete > done.Generation() {
		return true, nil // or another rank has scored them again in the meantime
	}
	if kept := o.Retry.Count(done.AllStatuses()); kept > 0 {
		event.RetryEmpty.On(o.Log).Stringer("status", o.Retry).Int("kept", kept).
			Msgf("the rows of the %d images with this status are in earlier outputs; to score them again, begin another output with --after %s --retry %s",
				kept, shellquote.Path(o.Out.String()), o.Retry)
		if !o.Retry.Drifted() {
			return false, nil
		}
	} else if !o.Retry.Drifted() {
		event.RetryEmpty.On(o.Log).Stringer("status", o.Retry).Msg("no image has this status; there is nothing to score again")
		return false, nil
	}
	// Every rank looks, so that none waits for a retry that rank 0 does not begin.
	changed, err := r.changed(ctx, &done)
	if err != nil {
		return false, fmt.Errorf("list the images to see which have changed: %w", err)
	}
	if changed == 0 {
		event.RetryEmpty.On(o.Log).Stringer("status", o.Retry).
			Msg("no image has this status, and none has changed since it was listed; there is nothing to score again")
	}
	return changed > 0, nil
}

// changed returns how many images with an own row have changed since they were listed.
func (r *retrier) changed(ctx context.Context, done *output.Success) (int, error) {
	o := &r.job.opt
	job, err := output.ReadJob(ctx, o.Out)
	if err != nil {
		return 0, err
	}
	m, err := done.Manifest(ctx, o.Out)
	if err != nil {
		return 0, err
	}
	defer m.Close()
	again := listAgainst(ctx, o.Images, &job, m)
	return again.drift.Changed, again.err
}

// startTime returns the time by the store's clock if the job exists. If not, it returns
// the zero time: every retry is newer than that, and nothing may be written yet.
func (r *retrier) startTime(ctx context.Context) (time.Time, error) {
	o := &r.job.opt
	job, err := output.ReadJob(ctx, o.Out)
	if errors.Is(err, store.ErrNotExist) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, err
	}
	o.joined(&job)
	// The limits on images that were asked for are those of the retry.
	r.bounds = boundsOf(&job)
	r.bounds.MaxPixels = cmp.Or(o.Job.MaxPixels, r.bounds.MaxPixels)
	r.bounds.MaxBytes = cmp.Or(o.Job.MaxBytes, r.bounds.MaxBytes)
	if !job.Older() { // its records have no place for it
		r.bounds.MaxMemory = cmp.Or(o.Job.MaxMemory, r.bounds.MaxMemory)
	}
	// A retry that was begun cannot take its limit back.
	if err := o.Decode.Budget.TooMuch(o.Job.MaxMemory); err != nil {
		return time.Time{}, err
	}
	o.Job.MaxPixels, o.Job.MaxBytes, o.Job.MaxMemory = 0, 0, 0
	if _, _, err := output.Join(ctx, o.Out, o.Job); err != nil {
		return time.Time{}, err
	}
	return claim.Now(ctx, o.Out, claim.ThisProcess(o.World))
}

// joined reports whether the last retry is the one that was asked for, begun by
// another rank since this one started.
func (r *retrier) joined(ctx context.Context, done output.Success, began time.Time) (bool, error) {
	o := &r.job.opt
	if done.Retry == nil || done.Retry.Statuses.String() != o.Retry.String() {
		return false, nil
	}
	at, err := output.RetryStarted(ctx, o.Out, done.Generation())
	return err == nil && !at.Before(began), err
}

// scoreAgain takes part in a retry until all its images have their row.
func (r *retrier) scoreAgain(ctx context.Context, plan *retryPlan) error {
	o := &r.job.opt
	job, err := output.ReadJob(ctx, o.Out)
	if err != nil {
		return err
	}
	r.job.warnOfDecoding(&job)
	again := participant{opt: *o, halt: r.job.halt, of: &job, root: o.Out}
	again.opt.Retry, again.opt.After = nil, nil
	again.opt.Out = output.Generation(o.Out, plan.generation)
	again.opt.Job = job.NewRetry(o.Job, output.Retry{Generation: plan.generation, Statuses: plan.statuses})
	again.opt.Job.Batch, again.opt.Job.Chunk = job.Batch, 0
	bounds := boundsOf(&job)
	if plan.bounds.MaxPixels != 0 { // the job existed before
		bounds = plan.bounds
	}
	again.opt.Job.MaxPixels, again.opt.Job.MaxBytes = bounds.MaxPixels, bounds.MaxBytes
	again.opt.Job.MaxMemory, again.opt.Job.AutoMaxMemory = bounds.MaxMemory, 0
	again.opt.MaxErrors = judge.None // checked once all rows are together
	again.opt.StrictDrift = false
	again.opt.Log = o.Log.With().Int("retry", plan.generation).Logger() // its chunks have numbers of their own
	again.opt.Counters = o.Counters.Child()
	again.list = func(ctx context.Context, retry *output.Job) (*shard.Manifest, error) {
		if err := listing.Present(ctx, o.Images); err != nil {
			return nil, err
		}
		return output.RetryManifest(ctx, o.Out, o.Images, retry.Retry.Statuses, func(fn func(store.Object) error) error {
			_, err := listing.Walk(ctx, o.Images, job.Files, fn)
			return err
		})
	}
	event.RetryBegun.On(o.Log).Int("retry", plan.generation).Stringer("status", plan.statuses).Msg("scoring images again")
	s, err := again.run(ctx, time.Now())
	var small *budget.TooSmall
	if errors.As(err, &small) {
		err = fmt.Errorf("%w; to begin this retry again, first remove %s, which has nothing else", err, again.opt.Out)
	}
	if err == nil && s.Job == "" {
		err = fmt.Errorf("%w: chunks of other ranks are missing from %s", output.ErrIncomplete, again.opt.Out)
	}
	return err
}

// boundsOf returns the limits on images of a job.
func boundsOf(job *output.Job) preprocess.Options {
	o := preprocess.Options{MaxMemory: job.MaxMemory}
	o.MaxPixels, o.MaxBytes = job.Bounds()
	return o
}

// unneeded returns an error if other outputs keep rows of one that a retry is about to change.
func unneeded(ctx context.Context, out store.Store, job string) error {
	if err := prune.Unneeded(ctx, out, job); err != nil {
		return fmt.Errorf("a retry would change these rows: %w; to score images again, begin another output with --after %s --retry STATUS",
			err, shellquote.Path(out.String()))
	}
	return nil
}
