package scorer

import (
	"context"
	"fmt"

	"github.com/batchscore/batchscore/deploy/shellquote"
	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/prune"
	"github.com/batchscore/batchscore/scorer/telemetry/event"
)

// announce leaves the marks of a job in the outputs that it keeps rows of, so that those stay.
// Rank 0 does so each time it starts, in case it was ended before it had left all of them.
func (p *participant) announce(ctx context.Context, job *output.Job) error {
	return prune.Announce(ctx, p.opt.Out, job, func(err error) {
		event.DependentUnmarked.On(p.opt.Log).Err(err).
			Msg("an output whose rows this one keeps cannot be marked: from another folder, 'batchscore prune' may delete it")
	})
}

// unneeded returns an error if other outputs keep rows of one that a retry is about to change.
func (r *retrier) unneeded(ctx context.Context, done *output.Success) error {
	out := r.job.opt.Out
	if err := prune.Unneeded(ctx, out, done.Job); err != nil {
		return fmt.Errorf("a retry would change these rows: %w; to score images again, begin another output with --after %s --retry STATUS",
			err, shellquote.Path(out.String()))
	}
	return nil
}
