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

// retry completes the job, if it is not complete, and then scores again the images
// whose rows have the statuses of Options.Retry. A retry that was begun before for
// other statuses is finished first. Any number of ranks may do so at once: rank 0
// begins a retry, and the others join it.
func (o *Options) retry(ctx context.Context, start time.Time) (output.Success, error) {
	began, err := o.began(ctx)
	if err != nil {
		return output.Success{}, err
	}
	done, err := run(ctx, *o, start)
	for {
		if err != nil && !errors.Is(err, ErrTooManyFailed) || done.Job == "" {
			return done, err
		}
		r, err2 := output.ReadRetries(ctx, o.Out)
		if err2 != nil {
			return done, err2
		}
		n, chosen, last := done.Generation()+1, o.Retry, done.Generation()
		bounds := o.bounds
		switch joined, err2 := o.joined(ctx, done, began); {
		case err2 != nil:
			return done, err2
		case joined:
			return done, o.MaxErrors.check(done, o.Out.String())
		case r.Begun != nil: // an earlier one, too, of which a repair took parts away
			n, chosen = r.Complete+1, r.Begun.Retry.Statuses
			if o.bounds.MaxPixels != 0 {
				bounds.MaxPixels, bounds.MaxBytes = r.Begun.Bounds()
			}
			if chosen.String() != o.Retry.String() || bounds != o.bounds {
				o.Log.Info().Int("retry", n).Stringer("status", chosen).Int64("max_pixels", bounds.MaxPixels).
					Msg("a retry that was begun before is finished first")
			}
		case chosen.Count(done.Statuses) == 0:
			o.Log.Info().Stringer("status", chosen).Msg("no image has this status; there is nothing to score again")
			return done, o.MaxErrors.check(done, o.Out.String())
		}
		if err := o.scoreAgain(ctx, n, chosen, bounds); errors.Is(err, errNotBegun) {
			o.Log.Info().Msg("rank 0 has begun no retry; this rank leaves")
			return done, o.MaxErrors.check(done, o.Out.String())
		} else if err != nil {
			return done, err
		}
		done, err = o.publish(ctx, n)
		// What was asked for may not be what was done: another may have begun retry n
		// at the same moment, for other statuses.
		if err == nil && n > last && done.Retry.Statuses.String() == o.Retry.String() && bounds == o.bounds {
			return done, o.MaxErrors.check(done, o.Out.String())
		}
	}
}

// began is now by the store's clock, for a job that exists. Before there is one
// nothing is written, and so no clock is read; no retry is older then.
func (o *Options) began(ctx context.Context) (time.Time, error) {
	job, err := output.ReadJob(ctx, o.Out)
	if errors.Is(err, store.ErrNotExist) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, err
	}
	// The bounds of images that were asked for are those of the retry.
	o.bounds.MaxPixels, o.bounds.MaxBytes = job.Bounds()
	o.bounds.MaxPixels = cmp.Or(o.Job.MaxPixels, o.bounds.MaxPixels)
	o.bounds.MaxBytes = cmp.Or(o.Job.MaxBytes, o.bounds.MaxBytes)
	o.Job.MaxPixels, o.Job.MaxBytes = 0, 0
	if _, _, err := output.Join(ctx, o.Out, o.Job); err != nil {
		return time.Time{}, err
	}
	return claim.Now(ctx, o.Out, claim.ThisProcess(o.World))
}

// joined reports whether the last retry is the one that was asked for, begun by
// another rank since this one started.
func (o *Options) joined(ctx context.Context, done output.Success, began time.Time) (bool, error) {
	if done.Retry == nil || done.Retry.Statuses.String() != o.Retry.String() {
		return false, nil
	}
	at, err := output.RetryStarted(ctx, o.Out, done.Generation())
	return err == nil && !at.Before(began), err
}

// scoreAgain takes part in retry n until all its images have their row.
func (o *Options) scoreAgain(ctx context.Context, n int, chosen row.Selection, bounds preprocess.Options) error {
	job, err := output.ReadJob(ctx, o.Out)
	if err != nil {
		return err
	}
	o.warnOfDecoding(&job)
	again := *o
	again.Retry = nil
	again.Out = output.Generation(o.Out, n)
	again.Job.Batch, again.Job.Chunk, again.Job.Max = job.Batch, 0, job.Max
	again.Job.Files, again.Job.ClaimForm = job.Files, job.ClaimForm
	again.Job.MaxPixels, again.Job.MaxBytes = job.Bounds()
	if bounds.MaxPixels != 0 { // the job was there before
		again.Job.MaxPixels, again.Job.MaxBytes = bounds.MaxPixels, bounds.MaxBytes
	}
	again.Job.Int8 = job.Int8
	again.Job.Retry = &output.Retry{Of: job.ID, Generation: n, Statuses: chosen}
	again.MaxErrors = Threshold{text: "100%", percent: 100} // judged when all rows are together
	again.Counters = new(telemetry.Counters)
	again.list = func(ctx context.Context, retry *output.Job) (*shard.Manifest, error) {
		if err := listing.Present(ctx, o.Images); err != nil {
			return nil, err
		}
		return output.RetryManifest(ctx, o.Out, o.Images, retry.Retry.Statuses)
	}
	o.Log.Info().Int("retry", n).Stringer("status", chosen).Msg("scoring images again")
	s, err := run(ctx, again, time.Now())
	if err == nil && s.Job == "" {
		err = fmt.Errorf("%w: chunks of other ranks are missing from %s", output.ErrIncomplete, again.Out)
	}
	return err
}

// published brings a complete output to its last complete retry, and says what
// else there is to do.
func (o *Options) published(ctx context.Context, done output.Success) (output.Success, error) {
	r, err := output.ReadRetries(ctx, o.Out)
	if err != nil {
		return done, err
	}
	if done.Generation() < r.Complete {
		return o.publish(ctx, r.Complete)
	}
	if o.Retry != nil {
		return done, nil
	}
	o.Log.Info().Msg("this job is complete already; nothing to do")
	switch {
	case r.Begun != nil:
		o.Log.Warn().Msgf("retry %d was begun and is not done; the same command with --retry %s finishes it",
			r.Complete+1, r.Begun.Retry.Statuses)
	case done.Failed > 0:
		o.Log.Info().Msgf("%d failed (%s); the same command with --retry failed scores them again",
			done.Failed, row.TallyFailures(done.Statuses))
	}
	return done, nil
}

// publish has the rows of a complete retry put into the parts, by this worker or
// another, and returns what _SUCCESS says then.
func (o *Options) publish(ctx context.Context, n int) (output.Success, error) {
	place := output.Generation(o.Out, n)
	job, err := output.ReadJob(ctx, place)
	if err != nil {
		return output.Success{}, err
	}
	// The name of this right does not depend on the number of chunks.
	claims := claim.New(claim.Config{Store: place, Worker: claim.ThisProcess(o.World), Lease: o.Lease, Names: job.ClaimNames(0)})
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		s, err := output.ReadSuccess(ctx, o.Out)
		if err != nil || s.Generation() >= n {
			return s, err
		}
		mine, err := claims.TryAcquire(ctx, claim.OnPublication)
		if err != nil {
			return s, err
		}
		if mine {
			return o.publishAlone(ctx, claims)
		}
		if err := o.halt.why(); err != nil {
			return s, err
		}
		if err := o.pause(ctx, pause); err != nil {
			return s, err
		}
	}
}

// publishAlone is publish by the worker that holds the right to it.
func (o *Options) publishAlone(ctx context.Context, claims *claim.Claims) (output.Success, error) {
	renewing, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		tick := time.NewTicker(o.Lease / 3)
		defer tick.Stop()
		for {
			select {
			case <-renewing.Done():
				return
			case <-tick.C:
			}
			if _, err := claims.Renew(renewing, claim.OnPublication); err != nil && renewing.Err() == nil {
				o.Log.Warn().Err(err).Msg("could not renew the claim on the end of a retry")
			}
		}
	}()
	job, err := output.ReadJob(ctx, o.Out)
	if err != nil {
		return output.Success{}, err
	}
	m, err := output.ReadManifest(ctx, o.Out)
	if err != nil {
		return output.Success{}, err
	}
	defer m.Close()
	var again relisting
	s, err := output.Finish(ctx, o.Out, job, m, output.FinishOptions{
		Versions: o.Versions,
		Drift: func(now *shard.Manifest) *output.Drift {
			again = o.listAgain(ctx, &job, now)
			return o.drift(again)
		},
		PassedOver: func() output.PassedOver { return again.passed },
	})
	if err != nil {
		// Others, and the next run, need not wait for the lease to end.
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
		defer cancel()
		return s, errors.Join(err, claims.Release(ending, claim.OnPublication))
	}
	o.Log.Info().Int("retry", s.Retry.Generation).Int("images", s.Retry.Images).Interface("now", s.Retry.Now).
		Msg("scored again: " + row.Tally(s.Retry.Now))
	return s, nil
}
