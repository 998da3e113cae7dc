package scorer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/batchscore/batchscore/models/preprocess"
	"github.com/batchscore/batchscore/scorer/claim"
	"github.com/batchscore/batchscore/scorer/listing"
	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/telemetry"
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
	began, err := r.begin(ctx)
	if err != nil {
		return output.Success{}, err
	}
	first := r.job
	done, err := first.run(ctx, start)
	for {
		if err != nil && !errors.Is(err, ErrTooManyFailed) || done.Job == "" {
			return done, err
		}
		retries, err2 := output.ReadRetries(ctx, o.Out)
		if err2 != nil {
			return done, err2
		}
		n, chosen, last := done.Generation()+1, o.Retry, done.Generation()
		bounds := r.bounds
		switch joined, err2 := r.joined(ctx, done, began); {
		case err2 != nil:
			return done, err2
		case joined:
			return done, o.MaxErrors.check(done, o.Out.String())
		case retries.Begun != nil: // an earlier one, too, of which a repair took parts away
			n, chosen = retries.Complete+1, retries.Begun.Retry.Statuses
			if r.bounds.MaxPixels != 0 {
				bounds.MaxPixels, bounds.MaxBytes = retries.Begun.Bounds()
			}
			if chosen.String() != o.Retry.String() || bounds != r.bounds {
				o.Log.Info().Int("retry", n).Stringer("status", chosen).Int64("max_pixels", bounds.MaxPixels).
					Msg("a retry that was begun before is finished first")
			}
		case chosen.Count(done.Statuses) == 0:
			o.Log.Info().Stringer("status", chosen).Msg("no image has this status; there is nothing to score again")
			return done, o.MaxErrors.check(done, o.Out.String())
		}
		if err := r.scoreAgain(ctx, n, chosen, bounds); errors.Is(err, errNotBegun) {
			o.Log.Info().Msg("rank 0 has begun no retry; this rank leaves")
			return done, o.MaxErrors.check(done, o.Out.String())
		} else if err != nil {
			return done, err
		}
		done, err = r.job.publish(ctx, n)
		// Another worker may have begun retry n at the same moment for other statuses.
		// Then what was asked for is still to be done.
		if err == nil && n > last && done.Retry.Statuses.String() == o.Retry.String() && bounds == r.bounds {
			return done, o.MaxErrors.check(done, o.Out.String())
		}
	}
}

// begin returns the time by the store's clock if the job exists. If not, it returns
// the zero time: every retry is newer than that, and nothing may be written yet.
func (r *retrier) begin(ctx context.Context) (time.Time, error) {
	o := &r.job.opt
	job, err := output.ReadJob(ctx, o.Out)
	if errors.Is(err, store.ErrNotExist) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, err
	}
	// The limits on images that were asked for are those of the retry.
	r.bounds.MaxPixels, r.bounds.MaxBytes = job.Bounds()
	r.bounds.MaxPixels = cmp.Or(o.Job.MaxPixels, r.bounds.MaxPixels)
	r.bounds.MaxBytes = cmp.Or(o.Job.MaxBytes, r.bounds.MaxBytes)
	o.Job.MaxPixels, o.Job.MaxBytes = 0, 0
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

// scoreAgain takes part in retry n until all its images have their row.
func (r *retrier) scoreAgain(ctx context.Context, n int, chosen row.Selection, bounds preprocess.Options) error {
	o := &r.job.opt
	job, err := output.ReadJob(ctx, o.Out)
	if err != nil {
		return err
	}
	r.job.warnOfDecoding(&job)
	again := participant{opt: *o, halt: r.job.halt}
	again.opt.Retry = nil
	again.opt.Out = output.Generation(o.Out, n)
	again.opt.Job.Batch, again.opt.Job.Chunk, again.opt.Job.Max = job.Batch, 0, job.Max
	again.opt.Job.Files, again.opt.Job.ClaimForm = job.Files, job.ClaimForm
	again.opt.Job.MaxPixels, again.opt.Job.MaxBytes = job.Bounds()
	if bounds.MaxPixels != 0 { // the job existed before
		again.opt.Job.MaxPixels, again.opt.Job.MaxBytes = bounds.MaxPixels, bounds.MaxBytes
	}
	again.opt.Job.Int8 = job.Int8
	again.opt.Job.Retry = &output.Retry{Of: job.ID, Generation: n, Statuses: chosen}
	again.opt.MaxErrors = Threshold{text: "100%", percent: 100} // checked once all rows are together
	again.opt.Counters = new(telemetry.Counters)
	again.list = func(ctx context.Context, retry *output.Job) (*shard.Manifest, error) {
		if err := listing.Present(ctx, o.Images); err != nil {
			return nil, err
		}
		return output.RetryManifest(ctx, o.Out, o.Images, retry.Retry.Statuses)
	}
	o.Log.Info().Int("retry", n).Stringer("status", chosen).Msg("scoring images again")
	s, err := again.run(ctx, time.Now())
	if err == nil && s.Job == "" {
		err = fmt.Errorf("%w: chunks of other ranks are missing from %s", output.ErrIncomplete, again.opt.Out)
	}
	return err
}
