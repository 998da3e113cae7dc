package scorer

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/batchscore/batchscore/models/preprocess"
	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/store"
)

// Defaults of Options.
const (
	// DefaultLease leaves a worker on a busy machine time for a sign of life.
	DefaultLease = time.Minute
	// DefaultGrace lets a worker that is asked to stop leave within 25 seconds.
	DefaultGrace = 20 * time.Second
	// DefaultReadAhead is some 500 photographs.
	DefaultReadAhead = 64 << 20
)

func (o Options) withDefaults() Options {
	set(&o.Lease, DefaultLease)
	set(&o.Grace, DefaultGrace)
	set(&o.ReadAheadBytes, DefaultReadAhead)
	set(&o.Decode.MaxBytes, preprocess.DefaultMaxBytes)
	set(&o.Decoders, runtime.GOMAXPROCS(0))
	// A fetcher waits for the disk most of the time.
	set(&o.Fetchers, max(8, 2*o.Decoders))
	return o
}

func set[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// work scores chunks until none is left, and leaves the worker's summary.
func (w *worker) work(ctx context.Context, start time.Time) error {
	started, err := w.claims.Now(ctx)
	if err != nil {
		return err
	}
	done, err := output.Done(ctx, w.Out, w.Chunks, w.Job.Format)
	if err != nil {
		return err
	}
	w.taker = newTaker(w, done)
	w.share = w.taker.remaining()
	w.Progress.Start(w.share)

	hard, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go w.graceful(hard, cancel)
	go w.taker.renew(hard)
	err = w.score(hard)
	if errors.Is(context.Cause(hard), ErrStopped) {
		err = ErrStopped // what else went wrong then did so because of it
	}
	cancel(nil)
	w.Progress.Finish(time.Since(start))

	// Others learn what became of this worker even when ctx has ended.
	last, stop := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
	defer stop()
	w.taker.release(last)
	if err == nil && w.stopped() {
		err = w.stoppedEarly(last)
	}
	if sumErr := output.WriteSummary(last, w.Out, w.summary(started, time.Since(start), err)); sumErr != nil && err == nil {
		err = sumErr
	}
	return err
}

// graceful ends the work when the grace after a request to stop is over.
func (w *worker) graceful(ctx context.Context, cancel context.CancelCauseFunc) {
	select {
	case <-w.Stop:
		w.Log.Warn().Dur("grace", w.Grace).Msg("asked to stop: committing what is in hand")
	case <-ctx.Done():
		return
	}
	select {
	case <-time.After(w.Grace):
		cancel(ErrStopped)
	case <-ctx.Done():
	}
}

// stoppedEarly is ErrStopped unless the job happens to be done.
func (w *worker) stoppedEarly(ctx context.Context) error {
	done, err := output.Done(ctx, w.Out, w.Chunks, w.Job.Format)
	if err == nil && !done.All() {
		err = fmt.Errorf("%w: %d of %d chunks are committed", ErrStopped, done.Count(), w.Chunks.Count())
	}
	return err
}

func (w *worker) summary(started time.Time, took time.Duration, end error) output.WorkerSummary {
	c := w.Counters.Snapshot()
	s := output.WorkerSummary{
		Worker: w.me, Device: w.Engine.Device(), Batch: w.Batch,
		Started: started, Seconds: took.Seconds(),
		Share: w.share, Statuses: w.statuses,
		Chunks: int(c.Chunks), Stolen: int(c.Stolen), Lost: int(c.Lost),
		End: "done", Versions: w.Versions,
	}
	for _, n := range w.statuses {
		s.Images += n
	}
	switch {
	case errors.Is(end, ErrStopped):
		s.End = "stopped"
	case end != nil:
		s.End = "failed"
	}
	return s
}

// finish sees to it that _SUCCESS is written, by this worker or another, and
// returns what it says.
func (w *worker) finish(ctx context.Context) (output.Success, error) {
	// Checking all parts is worth doing once: the right to do so is claimed
	// like a chunk, one past the last.
	last := w.Chunks.Count()
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		s, err := output.ReadSuccess(ctx, w.Out)
		if err == nil {
			return s, w.MaxErrors.check(s)
		}
		if !errors.Is(err, store.ErrNotExist) {
			return s, err
		}
		mine, err := w.claims.TryAcquire(ctx, last)
		if err != nil {
			return s, err
		}
		if mine {
			return w.succeed(ctx)
		}
		if w.stopped() {
			return s, ErrStopped
		}
		if err := w.pause(ctx, pause); err != nil {
			return s, err
		}
	}
}

func (w *worker) succeed(ctx context.Context) (output.Success, error) {
	o := output.FinishOptions{Versions: w.Versions}
	drift, err := output.MeasureDrift(ctx, w.Images, w.Manifest, w.Job.Max > 0, isImage)
	switch {
	case err != nil:
		w.Log.Warn().Err(err).Msg("could not list the images again to see what changed")
	default:
		o.Drift = &drift
		if drift != (output.Drift{}) {
			w.Log.Warn().Int("added", drift.Added).Int("removed", drift.Removed).Int("changed", drift.Changed).
				Msg("the collection changed after the manifest was frozen; images added are not in this job")
		}
	}
	s, err := output.Finish(ctx, w.Out, w.Job, w.Manifest, o)
	if err != nil {
		return s, err
	}
	return s, w.MaxErrors.check(s)
}
