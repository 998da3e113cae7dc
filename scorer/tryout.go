package scorer

import (
	"cmp"
	"context"
	"errors"

	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/store"
)

// tryOut tries the model with the batch that the job has, or will have if this
// worker creates it, and returns that.
func (o *Options) tryOut(ctx context.Context) (batch int, err error) {
	if batch = o.Job.Batch; batch == 0 {
		if batch, err = o.recordedBatch(ctx); err != nil {
			return 0, err
		}
		batch = cmp.Or(batch, o.Job.AutoBatch)
	}
	if o.TryOut == nil {
		return batch, nil
	}
	return batch, o.TryOut(ctx, batch)
}

// recordedBatch is the batch in the job's record; 0 if there is no record yet.
func (o *Options) recordedBatch(ctx context.Context) (int, error) {
	job, err := output.ReadJob(ctx, o.Out)
	if errors.Is(err, store.ErrNotExist) {
		return 0, nil
	}
	return job.Batch, err
}
