package scorer

import (
	"context"
	"errors"
	"math"
	"sync"
	"time"

	"github.com/batchscore/batchscore/scorer/claim"
	"github.com/batchscore/batchscore/scorer/listing"
	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/shard"
)

// finish sees to it that _SUCCESS is written, by this worker or another, and
// returns what it says.
func (w *worker) finish(ctx context.Context) (output.Success, error) {
	for pause := firstPause; ; pause = min(2*pause, 5*firstPause) {
		s, err := output.ReadSuccess(ctx, w.Out)
		if err == nil {
			return s, w.MaxErrors.check(s, w.Out.String())
		}
		if !errors.Is(err, store.ErrNotExist) {
			return s, err
		}
		mine, err := w.taker.claimEnd(ctx)
		if err != nil {
			return s, err
		}
		if mine {
			return w.succeed(ctx)
		}
		if err := w.halt.why(); err != nil {
			return s, err
		}
		if err := w.pause(ctx, pause); err != nil {
			return s, err
		}
	}
}

func (w *worker) succeed(ctx context.Context) (output.Success, error) {
	renewing, stop := context.WithCancel(ctx)
	defer stop()
	go w.taker.renew(renewing)

	opt := output.FinishOptions{Versions: w.Versions, PassedOver: func() output.PassedOver { return w.passed }}
	if w.Job.Retry == nil {
		relisted := w.relist()
		opt.Drift = func(now *shard.Manifest) *output.Drift {
			r := <-relisted
			if now != w.Manifest { // retried images have newer entries
				r = w.listAgain(ctx, &w.Job, now)
			}
			if r.err == nil {
				w.passed = r.passed
			}
			return w.drift(r)
		}
	}
	s, err := output.Finish(ctx, w.Out, w.Job, w.Manifest, opt)
	if err != nil {
		return s, err
	}
	return s, w.MaxErrors.check(s, w.Out.String())
}

// listAgain lists the images of a job again and compares them with a manifest.
func (o *Options) listAgain(ctx context.Context, job *output.Job, m *shard.Manifest) (r relisting) {
	r.drift, r.err = output.MeasureDrift(m, job.Max > 0, func(fn func(store.Object) error) (err error) {
		r.passed, err = listing.Walk(ctx, o.Images, job.Files, fn)
		return err
	})
	return r
}

// drift is what a second listing showed, nil if it failed.
func (o *Options) drift(r relisting) *output.Drift {
	if r.err != nil {
		o.Log.Warn().Err(r.err).Msg("could not list the images again to see what changed")
		return nil
	}
	if r.drift != (output.Drift{}) {
		o.Log.Warn().Int("added", r.drift.Added).Int("removed", r.drift.Removed).Int("changed", r.drift.Changed).
			Msg("the collection changed after the manifest was frozen; images added are not in this job")
	}
	return &r.drift
}

// relisting is the outcome of listing the images again.
type relisting struct {
	drift  output.Drift
	passed output.PassedOver
	err    error
}

// relister returns a function that lists the images again, in the background and
// once however often it is called, and one that ends this and waits for it. The
// outcome can be received once.
func (w *worker) relister(ctx context.Context) (begin func() <-chan relisting, end func()) {
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	begin = sync.OnceValue(func() <-chan relisting {
		c := make(chan relisting, 1)
		running.Go(func() {
			c <- w.listAgain(ctx, &w.Job, w.Manifest)
		})
		return c
	})
	return begin, func() {
		cancel()
		running.Wait()
	}
}

// longListing is how long a listing takes that is worth beginning ahead of the
// end. What is short is done at the very end, and so knows of all that changed.
const longListing = time.Second

// foresee takes on the end of the job when it is near, and lists the images again
// while there is still work. Only a worker that made the first listing knows how
// long that takes.
func (t *taker) foresee(ctx context.Context) error {
	t.mu.Lock()
	commits, own := t.commits, t.ownEnd-t.own+len(t.held)
	t.mu.Unlock()
	near := 2 * t.listing
	if t.foreseen || t.listing < longListing || t.left(commits, own) > near {
		return nil
	}
	if time.Since(t.listed) > t.listing/2 {
		if err := t.refresh(ctx); err != nil {
			return err
		}
	}
	done := max(t.done.Count()-t.before, commits)
	if t.left(done, t.done.Len()-t.before-done) > near {
		return nil // for others, who are slower
	}
	t.foreseen = true
	mine, err := t.claimEnd(ctx)
	if mine {
		t.relist()
	}
	return err
}

// left is how long so many chunks take, when others took since the start.
func (t *taker) left(done, chunks int) time.Duration {
	if done == 0 {
		return math.MaxInt64
	}
	return time.Since(t.began) / time.Duration(done) * time.Duration(chunks)
}

// claimEnd claims the right to finish the job, for checking all parts is worth
// doing once.
func (t *taker) claimEnd(ctx context.Context) (bool, error) {
	mine, err := t.claims.TryAcquire(ctx, claim.OnEnd)
	if mine {
		t.mu.Lock()
		t.end = newHold(false)
		t.mu.Unlock()
	}
	return mine, err
}
