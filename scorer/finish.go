package scorer

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/batchscore/batchscore/scorer/claim"
	"github.com/batchscore/batchscore/scorer/cost"
	"github.com/batchscore/batchscore/scorer/listing"
	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/telemetry/event"
	"github.com/batchscore/batchscore/shard"
)

// finisher writes _SUCCESS, or waits until another worker has.
type finisher struct {
	images store.Store
	out    store.Store
	job    *output.Job
	frozen
	versions map[string]string
	verdict  verdict
	claims   *claim.Claims
	holds    *holds
	renewer  *renewer
	halt     *halt
	relist   func() <-chan relisting
	log      zerolog.Logger
	price    *cost.Price // of this worker's device; nil if it is not known
	me       string      // the ID of this worker

	// listing is how long this worker took to list the images, 0 if it did not.
	listing time.Duration
	// passed is what the last listing of this worker passed over.
	passed listing.PassedOver
}

// finish returns what _SUCCESS says, once this worker or another has written it.
func (f *finisher) finish(ctx context.Context) (output.Success, error) {
	for pause := firstPause; ; pause = min(2*pause, 5*firstPause) {
		s, err := output.ReadSuccess(ctx, f.out)
		if err == nil {
			return s, f.verdict.check(f.job, s, f.out.String())
		}
		if !errors.Is(err, store.ErrNotExist) {
			return s, err
		}
		mine, err := f.claimEnd(ctx)
		if err != nil {
			return s, err
		}
		if mine {
			return f.succeed(ctx)
		}
		if err := f.halt.err(); err != nil {
			return s, err
		}
		if err := f.halt.wait(ctx, pause); err != nil {
			return s, err
		}
	}
}

// claimEnd claims the right to finish the job, and reports whether this worker
// holds it: checking all parts once is enough.
func (f *finisher) claimEnd(ctx context.Context) (bool, error) {
	mine, err := f.claims.TryAcquire(ctx, claim.OnEnd)
	if mine {
		f.holds.add(claim.OnEnd, newHold(false))
	}
	return mine, err
}

// succeed checks all parts and writes _SUCCESS.
func (f *finisher) succeed(ctx context.Context) (output.Success, error) {
	renewing, stop := context.WithCancel(ctx)
	defer stop()
	go f.renewer.run(renewing)

	opt := output.FinishOptions{Versions: f.versions, MaxErrors: f.verdict.maxErrors.String(), PassedOver: func() listing.PassedOver { return f.passed },
		Bill: output.Bill{Price: f.price, Worker: f.me}, Collection: f.collection}
	if f.job.Retry == nil {
		relisted := f.relist()
		opt.Drift = func(now *shard.Manifest) *output.Drift {
			r := <-relisted
			if now != f.manifest { // retried images have newer entries
				r = listAgainNow(ctx, f.images, f.out, f.job, frozen{now, f.collection})
			}
			if r.err == nil {
				f.passed = r.passed
			}
			return r.report(f.log)
		}
	}
	s, err := output.Finish(ctx, f.out, *f.job, f.manifest, opt)
	if err != nil {
		return s, err
	}
	return s, f.verdict.check(f.job, s, f.out.String())
}

// relisting is the outcome of listing the images of a job again.
type relisting struct {
	drift  output.Drift
	passed listing.PassedOver
	err    error
}

// listAgain lists the images of a job again and compares them with its manifest, or with the
// collection of an increment.
func listAgain(ctx context.Context, images, out store.Store, job *output.Job, f frozen) (r relisting) {
	m, done, err := f.allOf(ctx, out, job)
	if err != nil {
		r.err = err
		return r
	}
	defer done()
	return listAgainst(ctx, images, job, m)
}

// listAgainNow is listAgain for a manifest with the newer entries of retried images.
func listAgainNow(ctx context.Context, images, out store.Store, job *output.Job, f frozen) (r relisting) {
	if !job.Increments() {
		return listAgainst(ctx, images, job, f.manifest)
	}
	m, err := output.CollectionNow(ctx, out, f.collection, f.manifest)
	if err != nil {
		r.err = err
		return r
	}
	defer m.Close()
	return listAgainst(ctx, images, job, m)
}

// listAgainst lists the images of a job again and compares them with all that it had.
func listAgainst(ctx context.Context, images store.Store, job *output.Job, m *shard.Manifest) (r relisting) {
	r.drift, r.err = output.MeasureDrift(m, job.Max > 0, func(fn func(store.Object) error) (err error) {
		r.passed, err = listing.Walk(ctx, images, job.Files, fn)
		return err
	})
	return r
}

// report logs what a second listing showed and returns it; nil if it failed.
func (r *relisting) report(log zerolog.Logger) *output.Drift {
	if r.err != nil {
		event.ListingAgainFailed.On(log).Err(r.err).Msg("could not list the images again to see what changed")
		return nil
	}
	if r.drift != (output.Drift{}) {
		event.ImagesDrifted.On(log).Int("added", r.drift.Added).Int("removed", r.drift.Removed).Int("changed", r.drift.Changed).
			Msg(r.drift.String())
	}
	return &r.drift
}

// newRelister returns two functions. begin lists the images again in the
// background, once however often it is called; the outcome can be received once.
// end cancels the listing and waits for it.
func newRelister(ctx context.Context, list func(context.Context) relisting) (begin func() <-chan relisting, end func()) {
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	begin = sync.OnceValue(func() <-chan relisting {
		c := make(chan relisting, 1)
		running.Go(func() { c <- list(ctx) })
		return c
	})
	return begin, func() {
		cancel()
		running.Wait()
	}
}

// Drift lists the images of a complete job again, and returns how they differ from
// those that its rows are of.
func Drift(ctx context.Context, images, out store.Store, done output.Success) (output.Drift, error) {
	job, err := output.ReadJob(ctx, out)
	if err != nil {
		return output.Drift{}, err
	}
	m, err := done.Collection(ctx, out)
	if err != nil {
		return output.Drift{}, err
	}
	defer m.Close()
	r := listAgainst(ctx, images, &job, m)
	return r.drift, r.err
}

// lookAgain puts into done how the images of a job that was complete before differ
// from its rows now. One rank is enough: rank 0 does it, and the others know nothing. If
// the images cannot be listed, that is a warning, and an error only if the drift was
// to be strict.
func (p *participant) lookAgain(ctx context.Context, done *output.Success) error {
	o := &p.opt
	done.Drift = nil
	if o.World.Rank != 0 {
		done.Drift = new(output.Drift)
		return nil
	}
	var r relisting
	r.drift, r.err = Drift(ctx, o.Images, o.Out, *done)
	if r.err != nil && o.StrictDrift {
		return fmt.Errorf("list the images again to see what changed: %w", r.err)
	}
	done.Drift = r.report(o.Log)
	return nil
}

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
	event.DeliveryLeft.On(o.Log).Int("writer", writer.Rank).Str("host", writer.Host).
		Msg("another rank writes the file of all rows; if it dies, the same command writes that file at once")
	return nil
}

// hold renews the claim on a right until the function that it returns is called. That
// gives the right up, so that others, and the next run, need not wait for the lease to
// end.
func (p *participant) hold(ctx context.Context, claims *claim.Claims, r claim.Right) (end func()) {
	holds := newHolds(claims)
	holds.add(r, newHold(false))
	renewing, stop := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() { (&renewer{claims: claims, holds: holds, lease: p.opt.Lease, log: p.opt.Log}).run(renewing) })
	return func() {
		stop()
		running.Wait()
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
		defer cancel()
		if err := claims.Release(ending, r); err != nil {
			ofRight(event.ClaimNotReleased.On(p.opt.Log), r).Err(err).Msgf("the claim on %s stays until its lease ends", r)
		}
	}
}

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
