package scorer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/store"
)

// recorded returns err, with which this worker's part in a job ended. If the job's record
// is gone, it returns an ErrIncomplete that says so: what else a worker finds missing
// depends on when it looks, and all of them should end alike.
func (p *participant) recorded(ctx context.Context, err error) error {
	if err == nil || p.halt.err() != nil {
		return err
	}
	// The storage may not answer either, which err tells.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	switch _, gone := output.ReadJob(ctx, p.opt.Out); {
	case errors.Is(gone, store.ErrNotExist):
	case gone != nil && (errors.Is(err, store.ErrNotExist) || errors.Is(err, output.ErrIncomplete)):
		return gone
	default:
		return err
	}
	return fmt.Errorf("%w: the job's record is gone from %s, which was removed, emptied or replaced while the job ran; "+
		"if it can be brought back, as by mounting it, do so and run again; else remove what is there now, and run again from the beginning",
		output.ErrIncomplete, p.opt.Out)
}
