package scorer

import (
	"context"
	"fmt"

	"github.com/batchscore/batchscore/deploy/shellquote"
	"github.com/batchscore/batchscore/scorer/claim"
	"github.com/batchscore/batchscore/scorer/listing"
	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/telemetry/event"
	"github.com/batchscore/batchscore/shard"
)

// published brings a complete output to its last complete retry, and logs what
// else there is to do.
func (p *participant) published(ctx context.Context, done output.Success) (output.Success, error) {
	log := p.opt.Log
	r, err := output.ReadRetries(ctx, p.opt.Out)
	if err != nil {
		return done, err
	}
	if done.Generation() < r.Complete {
		return p.publish(ctx, r.Complete)
	}
	if p.opt.Retry != nil {
		return done, nil
	}
	event.JobAlreadyComplete.On(log).Msg("this job is complete already; nothing to do")
	switch {
	case r.Begun != nil:
		event.RetryUnfinished.On(log).Int("retry", r.Complete+1).Stringer("status", r.Begun.Retry.Statuses).
			Msgf("retry %d was begun and is not done; the same command with --retry %s finishes it",
				r.Complete+1, r.Begun.Retry.Statuses)
	case done.AllFailed() > 0:
		event.FailuresLeft.On(log).Int("failed", done.AllFailed()).
			Msgf("%d failed (%s); %s", done.AllFailed(), row.TallyFailures(done.AllStatuses()), retryAdvice(p.opt.Out, &done))
	}
	return done, nil
}

// retryAdvice says how to score the failed images of a complete output again. The rows that an
// increment keeps are in other outputs, which a retry in place does not change.
func retryAdvice(out store.Store, done *output.Success) string {
	elsewhere := "another --out with --after " + shellquote.Path(out.String()) + " --retry failed"
	switch {
	case done.Failed == done.AllFailed():
		return "the same command with --retry failed scores them again"
	case done.Failed == 0:
		return "their rows are in earlier outputs; " + elsewhere + " scores them again"
	default:
		return fmt.Sprintf("the same command with --retry failed scores %d of them again; the other rows are in earlier outputs, and %s scores all again",
			done.Failed, elsewhere)
	}
}

// publish returns what _SUCCESS says once this worker or another has put the rows
// of retry n, which is complete, into the parts.
func (p *participant) publish(ctx context.Context, n int) (output.Success, error) {
	o := &p.opt
	place := output.Generation(o.Out, n)
	retry, err := output.ReadJob(ctx, place)
	if err != nil {
		return output.Success{}, err
	}
	// The name of this right does not depend on the number of chunks.
	claims := claim.New(claim.Config{Store: place, Worker: claim.ThisProcess(o.World), Lease: o.Lease, Names: retry.ClaimNames(0)})
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
			return p.publishClaimed(ctx, claims)
		}
		if err := p.halt.err(); err != nil {
			return s, err
		}
		if err := p.halt.wait(ctx, pause); err != nil {
			return s, err
		}
	}
}

// publishClaimed publishes a retry. This worker holds the right to do so.
func (p *participant) publishClaimed(ctx context.Context, claims *claim.Claims) (output.Success, error) {
	o := &p.opt
	defer p.hold(ctx, claims, claim.OnPublication)()
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
		Versions: o.Versions, MaxErrors: o.MaxErrors.String(), Bill: output.Bill{Price: p.price},
		Drift: func(now *shard.Manifest) *output.Drift {
			again = listAgainNow(ctx, o.Images, o.Out, &job, frozen{manifest: now})
			return again.report(o.Log)
		},
		PassedOver: func() listing.PassedOver { return again.passed },
		MayChange:  func(ctx context.Context) error { return unneeded(ctx, o.Out, job.ID) },
	})
	if err != nil {
		return s, err
	}
	event.RetryComplete.On(o.Log).Int("retry", s.Retry.Generation).Int("images", s.Retry.Images).Interface("now", s.Retry.Now).
		Msg("scored again: " + row.Tally(s.Retry.Now))
	return s, nil
}
