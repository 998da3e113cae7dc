package scorer

import (
	"cmp"
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
	o.Lease = cmp.Or(o.Lease, DefaultLease)
	o.Grace = cmp.Or(o.Grace, DefaultGrace)
	o.Job.MaxPixels, o.Job.MaxBytes = o.Decode.MaxPixels, o.Decode.MaxBytes
	o.Job.AutoMaxPixels = cmp.Or(o.Decode.MaxPixels, preprocess.DefaultMaxPixels)
	o.Job.AutoMaxBytes = cmp.Or(o.Decode.MaxBytes, preprocess.DefaultMaxBytes(o.Job.AutoMaxPixels))
	o.Job.Decoding = preprocess.Decoding
	return o
}

// feedDefaults fills in what neither the caller nor measuring chose.
func (o *Options) feedDefaults() {
	o.ReadAheadBytes = cmp.Or(o.ReadAheadBytes, DefaultReadAhead)
	o.Decoders = cmp.Or(o.Decoders, runtime.GOMAXPROCS(0))
	// What a fetcher does is wait; how many do is up to the read-ahead.
	o.Fetchers = cmp.Or(o.Fetchers, 64)
}

// work scores chunks until none is left, and leaves the worker's summary. done
// says that all chunks are committed.
func (w *worker) work(ctx context.Context, start time.Time) (done bool, err error) {
	started, err := w.claims.Now(ctx)
	if err != nil {
		return false, err
	}
	started = started.Add(-time.Since(start)) // what was before is part of it
	set, err := output.Done(ctx, w.Out, w.Chunks, w.Job.Format)
	if err != nil {
		return false, err
	}
	w.taker = newTaker(w, set)
	w.share = w.taker.remaining()
	w.Progress.Start(w.share)

	renewing, stop := context.WithCancel(ctx)
	go w.taker.renew(renewing)
	go w.tellCondition(renewing)
	err = w.score(ctx)
	stop()
	w.Progress.Finish(time.Since(start))
	if err == nil {
		done, err = w.judge(ctx)
	}
	err = w.because(ctx, err)

	if err != nil {
		// Others learn what became of this worker even when ctx has ended.
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
		defer cancel()
	}
	if !done {
		w.taker.release(ctx)
	}
	if sumErr := output.WriteSummary(ctx, w.Out, w.summary(started, time.Since(start), err)); sumErr != nil && err == nil {
		err = sumErr
	}
	return done, err
}

// judge reports whether the job is done, and why this worker ended if it is not.
func (w *worker) judge(ctx context.Context) (bool, error) {
	set, err := output.Done(ctx, w.Out, w.Chunks, w.Job.Format)
	if err != nil || set.All() {
		return err == nil, err
	}
	if reason := w.halt.why(); reason != nil {
		return false, fmt.Errorf("%w (%d of %d chunks are committed)", reason, set.Count(), w.Chunks.Count())
	}
	if w.Static {
		w.Log.Info().Int("missing", w.Chunks.Count()-set.Count()).
			Msg("the share of this rank is done; waiting for chunks of others")
		return false, nil
	}
	return false, fmt.Errorf("%w: %d of %d parts vanished while the job ran",
		output.ErrIncomplete, w.Chunks.Count()-set.Count(), w.Chunks.Count())
}

func (w *worker) summary(started time.Time, took time.Duration, end error) output.WorkerSummary {
	c := w.Counters.Snapshot()
	s := output.WorkerSummary{
		Worker: w.me, Device: w.Engine.Device(), Batch: w.Batch, Decoding: preprocess.Decoding,
		Started: started, Seconds: took.Seconds(),
		Share: w.share, Statuses: w.statuses,
		Chunks: int(c.Chunks), Stolen: int(c.Stolen), Lost: int(c.Lost),
		Storage: w.storage(), End: "done", Versions: w.Versions,
	}
	for _, n := range w.statuses {
		s.Images += n
	}
	switch {
	case errors.Is(end, ErrStopped), errors.Is(end, ErrPaused):
		s.End = "stopped"
	case end != nil:
		s.End = "failed"
	}
	return s
}

// storage returns what this worker met in its stores.
func (w *worker) storage() map[string]output.Storage {
	all := map[string]output.Storage{}
	for what, st := range map[string]store.Store{"images": w.Images, "out": w.Out} {
		if s, ok := store.StatsOf(st); ok {
			all[what] = output.Storage{Calls: s.Calls, Retries: s.Retries, Throttled: s.Throttled,
				Stalls: s.Stalls, PausedSeconds: s.Paused.Seconds()}
		}
	}
	return all
}
