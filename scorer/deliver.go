package scorer

import (
	"context"
	"errors"
	"fmt"

	"github.com/batchscore/batchscore/scorer/claim"
	"github.com/batchscore/batchscore/scorer/output"
)

// ErrNotDelivered means that the job is complete, and its rows could not be written to
// the file that was asked for.
var ErrNotDelivered = errors.New("the job is complete, but the file of its rows was not written")

// Delivery is a file that the rows of a complete job are written to.
type Delivery struct {
	// Holds reports whether the file exists and holds the rows.
	Holds func(ctx context.Context, done *output.Success) (bool, error)
	// Write writes the file whole, unless it holds the rows already. Any number of
	// workers may call it at once.
	Write func(ctx context.Context, done *output.Success) error
}

// complete reports whether a job that ended with err is complete.
func complete(done *output.Success, err error) bool {
	return done.Job != "" && (err == nil || errors.Is(err, ErrTooManyFailed) || errors.Is(err, ErrDrifted))
}

// delivered returns the outcome of a complete job and of its delivery. What went wrong
// with the delivery counts for more.
func (p *participant) delivered(ctx context.Context, done *output.Success, err error) error {
	if p.opt.Delivery == nil || !complete(done, err) {
		return err
	}
	if failed := p.deliver(ctx, done); failed != nil {
		return fmt.Errorf("%w: %w", ErrNotDelivered, failed)
	}
	return err
}

// deliver writes the file of a complete job, unless it is written or another worker is
// writing it. Nobody waits for that worker: if it dies, the same command started again
// writes the file.
func (p *participant) deliver(ctx context.Context, done *output.Success) error {
	o := &p.opt
	if holds, err := o.Delivery.Holds(ctx, done); holds || err != nil {
		return err
	}
	job, err := output.ReadJob(ctx, o.Out)
	if err != nil {
		return err
	}
	// The name of this right does not depend on the number of chunks.
	claims := claim.New(claim.Config{Store: o.Out, Worker: claim.ThisProcess(o.World), Lease: o.Lease, Names: job.ClaimNames(0)})
	mine, err := claims.TryAcquire(ctx, claim.OnDelivery)
	if err != nil {
		return err
	}
	if mine {
		defer p.hold(ctx, claims, claim.OnDelivery)()
		return o.Delivery.Write(ctx, done)
	}
	writer, err := claims.Owner(ctx, claim.OnDelivery)
	if err != nil {
		return err
	}
	// A claim outlives a worker that died on another machine. So it does not hold back the
	// rank that says what came of the job, nor the one that follows the dead worker. If that
	// one lives after all, both write the same file.
	if done.Mine || o.World.Size > 1 && writer.Rank == o.World.Rank {
		return o.Delivery.Write(ctx, done)
	}
	o.Log.Info().Int("writer", writer.Rank).Str("host", writer.Host).
		Msg("another rank writes the file of all rows; if it dies, the same command writes that file at once")
	return nil
}
