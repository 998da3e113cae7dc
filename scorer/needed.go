package scorer

import (
	"context"
	"fmt"

	"github.com/batchscore/batchscore/deploy/shellquote"
	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/prune"
)

// unneeded returns an error if other outputs keep rows of one that a retry is about to change.
func (r *retrier) unneeded(ctx context.Context, done *output.Success) error {
	out := r.job.opt.Out
	if err := prune.Unneeded(ctx, out, done.Job); err != nil {
		return fmt.Errorf("a retry would change these rows: %w; to score images again, begin another output with --after %s --retry STATUS",
			err, shellquote.Path(out.String()))
	}
	return nil
}
