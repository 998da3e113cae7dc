package scorer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/batchscore/batchscore/models/preprocess"
	"github.com/batchscore/batchscore/scorer/claim"
	"github.com/batchscore/batchscore/scorer/cost"
	"github.com/batchscore/batchscore/scorer/increment"
	"github.com/batchscore/batchscore/scorer/judge"
	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/telemetry"
	"github.com/batchscore/batchscore/scorer/telemetry/event"
	"github.com/batchscore/batchscore/shard"
)

// worker is one rank at work on a job whose manifest is frozen.
type worker struct {
	opt      Options
	engine   Engine
	halt     *halt
	job      *output.Job
	manifest *shard.Manifest
	chunks   shard.Chunks
	me       claim.Worker
	claims   *claim.Claims
	holds    *holds
	renewer  *renewer
	copier   *increment.Copier
	finisher *finisher
	statuses map[string]int // of the rows that this worker committed
	scope    judge.Scope
	failures *judge.Counter
	past     *judge.Past // of the failures of the job
	share    int         // images of the own share at the start
	// limit is the rate that device and cores allow, in images per second; 0 if it
	// was not measured.
	limit   float64
	price   *cost.Price        // of the device; nil if it is not known
	scoring time.Duration      // how long images were scored; 0 until that ends
	gpu     GPU                // that the engine computes on; nil for none
	sampler *telemetry.Sampler // of it, while images are scored; nil for none
}

// sayContinued logs how many images have their rows when this worker begins.
func (w *worker) sayContinued(set *shard.Set) {
	n := 0
	for chunk := range set.Len() {
		if set.Has(chunk) {
			first, last := w.chunks.Range(chunk)
			n += last - first
		}
	}
	if n > 0 && n < w.manifest.Len() {
		event.JobContinued.On(w.opt.Log).Int("done", n).Int("images", w.manifest.Len()).
			Msgf("continuing: %d of %d images are done", n, w.manifest.Len())
	}
}

// work scores chunks until none is left, and writes the worker's summary. done
// reports whether all chunks are committed.
func (w *worker) work(ctx context.Context, start time.Time) (done bool, err error) {
	o := &w.opt
	started, err := w.claims.Now(ctx)
	if err != nil {
		return false, err
	}
	started = started.Add(-time.Since(start)) // including what was before
	set, err := output.Done(ctx, o.Out, w.job, w.chunks)
	if err != nil {
		return false, err
	}
	taker := w.newTaker(set)
	defer w.watch(ctx, set)()
	w.share = taker.remaining()
	if o.World.Rank == 0 {
		w.sayContinued(set)
	}
	o.Progress.Start(w.share)

	background, stop := context.WithCancel(ctx)
	defer o.Leave.with(func(ctx context.Context) { stop(); w.renewer.releaseAll(ctx) })()
	go w.renewer.run(background)
	if w.gpu != nil {
		w.sampler = telemetry.StartSampler(w.gpu)
	}
	o.State.Update(w.describe)
	reporter := telemetry.Reporter{Counters: o.Counters, Progress: o.Progress, Log: o.Log,
		Pools: telemetry.Pools{Decoders: o.Decoders, Lanes: o.Sessions}, Limit: w.limit, Sampler: w.sampler}
	go reporter.Run(background)
	begun := time.Now()
	err = w.scoreChunks(ctx, taker)
	w.scoring = time.Since(begun)
	stop()
	w.sampler.Stop()
	o.Progress.Finish(time.Since(start))
	if err == nil {
		done, err = w.judge(ctx)
	}
	err = w.halt.cause(ctx, err)

	if err != nil {
		if s := w.summary(started, 0, err); s.Images < s.Scored {
			event.ChunksNotCommitted.On(o.Log).Int("images", s.Scored).Int("rows", s.Images).
				Msg("not every image that was processed has a row yet: the chunks in hand were not committed")
		}
		// Others learn what became of this worker even if ctx has ended.
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
		defer cancel()
	}
	if !done {
		w.renewer.releaseAll(ctx)
	}
	w.warnOfDark()
	if sumErr := output.WriteSummary(ctx, o.Out, w.job, w.summary(started, time.Since(start), err)); sumErr != nil && err == nil {
		err = sumErr
	}
	return done, err
}

// warnOfDark says how many images look black.
func (w *worker) warnOfDark() {
	if n := int(w.opt.Counters.Snapshot().Counts[telemetry.Dark]); n > 0 {
		event.ImagesDark.On(w.opt.Log).Int("images", n).
			Msg("images have samples of more than 8 bits with values below a quarter of what these hold, so the model sees them black:" +
				" say with --value-range LOW,HIGH which values are black and white, such as 0,10000")
	}
}

// describe adds what is known once images are about to be scored.
func (w *worker) describe(f *telemetry.Facts) {
	o := &w.opt
	if w.job.Retry == nil { // else it has an ID of its own
		f.Job, f.Images = w.job.ID, w.manifest.Len()
	}
	f.Model, f.ModelDigest, f.Device = w.job.Model, w.job.ModelDigest, w.engine.Device()
	if facts := factsOf(w.gpu); facts != nil {
		f.GPU = facts.Name
	}
	f.Share, f.Batch, f.Sessions = w.share, w.job.Batch, o.Sessions
	f.Decoders, f.Fetchers, f.ReadAheadBytes, f.Sampler = o.Decoders, o.Fetchers, o.ReadAheadBytes, w.sampler
}

// judge reports whether the job is done, and returns why this worker ended if it
// is not.
func (w *worker) judge(ctx context.Context) (bool, error) {
	set, err := output.Done(ctx, w.opt.Out, w.job, w.chunks)
	if err != nil || set.All() {
		return err == nil, err
	}
	if reason := w.halt.err(); errors.Is(reason, ErrFailing) {
		return false, reason
	} else if reason != nil {
		return false, fmt.Errorf("%w (%d of %d chunks committed)", reason, set.Count(), w.chunks.Count())
	}
	missing := w.chunks.Count() - set.Count()
	if w.opt.Static {
		event.ShareDone.On(w.opt.Log).Int("missing", missing).
			Msg("the share of this rank is done; waiting for chunks of others")
		return false, nil
	}
	return false, fmt.Errorf("%w: %d of %d parts vanished while the job ran", output.ErrIncomplete, missing, w.chunks.Count())
}

func (w *worker) summary(started time.Time, took time.Duration, end error) output.WorkerSummary {
	snapshot := w.opt.Counters.Snapshot()
	counts := snapshot.Counts
	s := output.WorkerSummary{
		Worker: w.me, Device: w.engine.Device(), Batch: w.job.Batch, Decoding: preprocess.Decoding,
		Started: started, Seconds: took.Seconds(),
		Share: w.share, Scored: int(counts[telemetry.Images]), Statuses: w.statuses,
		Chunks: int(counts[telemetry.Chunks]), Stolen: int(counts[telemetry.Stolen]), Lost: int(counts[telemetry.Lost]),
		Raced: int(counts[telemetry.Raced]), Stages: w.stages(snapshot.BusySeconds),
		BatchHalved: int(counts[telemetry.Halved]), Dark: int(counts[telemetry.Dark]),
		Storage: w.storage(), End: "done", Versions: w.opt.Versions,
	}
	s.Price = w.price
	s.GPU, s.GPUUse = factsOf(w.gpu), w.sampler.Use()
	for _, n := range w.statuses {
		s.Images += n
	}
	switch {
	case errors.Is(end, ErrStopped), errors.Is(end, ErrPaused):
		s.End = "stopped"
	case errors.Is(end, ErrFailing):
		s.End = output.EndFailing
	case end != nil:
		s.End = "failed"
	}
	return s
}

// stages says how busy the stages were; nil if no image was to be scored.
func (w *worker) stages(busy map[string]float64) *output.Stages {
	if w.scoring <= 0 {
		return nil
	}
	return &output.Stages{Seconds: w.scoring.Seconds(), BusySeconds: busy, Decoders: w.opt.Decoders, Lanes: w.opt.Sessions}
}

// storage returns the statistics of this worker's stores, those that keep any.
func (w *worker) storage() map[string]output.Storage {
	all := map[string]output.Storage{}
	for what, st := range map[string]store.Store{"images": w.opt.Images, "out": w.opt.Out} {
		if s, ok := store.StatsOf(st); ok {
			all[what] = output.Storage{Calls: s.Calls, Retries: s.Retries, Throttled: s.Throttled,
				Stalls: s.Stalls, PausedSeconds: s.Paused.Seconds()}
		}
	}
	return all
}
