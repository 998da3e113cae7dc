package increment

import (
	"context"
	"errors"

	"github.com/rs/zerolog"

	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/store"
)

// chainMost is how many earlier outputs Earlier looks at.
const chainMost = 32

// Earlier calls fn with the outputs that out continues, the last one first, until fn returns false.
// The record of out says which they are, and before there is one, place does, as for Find. It ends
// where an output is gone, is another one by now, or continues none.
func Earlier(ctx context.Context, out store.Store, place string, fn func(store.Store) (more bool, err error)) error {
	job, err := output.ReadJob(ctx, out)
	if errors.Is(err, store.ErrNotExist) {
		var prev *Previous
		if prev, err = Find(ctx, out, place, nil, zerolog.Nop()); prev == nil || err != nil {
			return err
		}
		if more, err := fn(prev.Store); !more || err != nil {
			return err
		}
		out, job = prev.Store, prev.Job
	}
	if err != nil {
		return err
	}
	for range chainMost {
		if job.After == nil || job.After.Previous == "" {
			return nil
		}
		last, id := out, job.After.Job
		if out, err = store.Neighbor(last, job.After.Previous); err != nil {
			return nil //nolint:nilerr // moved elsewhere, so it is not found
		}
		if job, err = output.ReadJob(ctx, out); errors.Is(err, store.ErrNotExist) || errors.Is(err, output.ErrMismatch) || err == nil && job.ID != id {
			return nil
		}
		if err != nil {
			return err
		}
		if more, err := fn(out); !more || err != nil {
			return err
		}
	}
	return nil
}
