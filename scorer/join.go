package scorer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/batchscore/batchscore/models/preprocess"
	"github.com/batchscore/batchscore/scorer/claim"
	"github.com/batchscore/batchscore/scorer/cost"
	"github.com/batchscore/batchscore/scorer/increment"
	"github.com/batchscore/batchscore/scorer/judge"
	"github.com/batchscore/batchscore/scorer/listing"
	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/telemetry"
	"github.com/batchscore/batchscore/scorer/telemetry/event"
	"github.com/batchscore/batchscore/scorer/tune"
	"github.com/batchscore/batchscore/shard"
)

// participant takes part in one job: that of Run, or one of its retries.
type participant struct {
	opt  Options
	halt *halt
	// list makes the manifest; nil lists all images.
	list lister
	past *judge.Past // of the failures of this job, before this worker
	gpu  GPU         // of the engine that is open; nil if it computes on none
	// price is that of the device; nil if it is not known.
	price *cost.Price
	// of is the job that this one is a retry of; nil if it is none.
	of *output.Job
	// root is the output that the retry adds to; nil if it is none.
	root store.Store
}

// lister makes the manifest of a job.
type lister func(ctx context.Context, job *output.Job) (*shard.Manifest, error)

// run takes part until the job is complete. start is when the worker began.
func (p *participant) run(ctx context.Context, start time.Time) (output.Success, error) {
	if done, ok, err := p.completed(ctx); err != nil || ok {
		return done, err
	}
	if err := p.judged(ctx); err != nil {
		return output.Success{}, err
	}
	engine, err := p.opt.OpenEngine()
	if err != nil {
		return output.Success{}, err
	}
	defer engine.Close()
	p.opt.Job.Device = engine.Device()
	p.opt.Job.AutoBatch = engine.DefaultBatch()
	if p.opt.Decoders == 0 && p.opt.CountDecoders != nil {
		p.opt.Decoders = p.opt.CountDecoders()
	}
	if p.opt.GPU != nil {
		p.gpu = p.opt.GPU()
	}
	p.opt.Job.GPU = factsOf(p.gpu)
	if err := p.watchMoney(ctx, engine.Device()); err != nil {
		return output.Success{}, err
	}
	p.opt.Job.ONNXRuntime = p.opt.Versions[output.Runtime]
	var choice tune.Choice
	if p.opt.Tune != nil {
		if choice, err = p.tuneDevice(ctx, engine); err != nil {
			return output.Success{}, err
		}
		p.opt.Job.AutoBatch, p.opt.Sessions = choice.Batch, choice.Sessions
	}
	p.opt.Sessions = cmp.Or(p.opt.Sessions, max(1, engine.Lanes()))
	tried, err := p.tryOut(ctx)
	if err != nil {
		return output.Success{}, err
	}

	w, err := p.join(ctx, engine)
	if err != nil {
		return output.Success{}, err
	}
	defer w.finisher.close()
	if tried != w.job.Batch && p.opt.TryOut != nil { // another worker's choice was faster
		if err := p.opt.TryOut(ctx, w.job.Batch); err != nil {
			return output.Success{}, err
		}
	}
	relist, end := newRelister(ctx, func(ctx context.Context) relisting {
		return listAgain(ctx, p.opt.Images, p.opt.Out, w.job, w.finisher.frozen)
	})
	defer end()
	w.finisher.relist = relist
	if p.opt.Tune != nil {
		if err := w.tuneHost(ctx, choice.Rate); err != nil {
			return output.Success{}, err
		}
	}
	w.opt.feedDefaults(w.job.Batch)
	s, err := w.complete(ctx, start)
	return s, p.recorded(ctx, err)
}

// complete scores chunks, and returns what _SUCCESS says once the job is complete.
func (w *worker) complete(ctx context.Context, start time.Time) (output.Success, error) {
	done, err := w.work(ctx, start)
	if err == nil && !done {
		err = w.awaitOthers(ctx)
	}
	if err != nil {
		return output.Success{}, err
	}
	return w.finisher.finish(ctx)
}

// completed returns what _SUCCESS says of a job that is already complete, without
// loading the model. ok reports whether the job is.
func (p *participant) completed(ctx context.Context) (done output.Success, ok bool, err error) {
	o := &p.opt
	done, err = output.ReadSuccess(ctx, o.Out)
	if errors.Is(err, store.ErrNotExist) {
		return done, false, nil
	}
	if err != nil {
		return done, false, err
	}
	job, _, err := output.Join(ctx, o.Out, o.Job)
	if err == nil {
		err = p.continues(ctx, &job)
	}
	if err != nil {
		return done, false, err
	}
	o.joined(&job)
	if o.World.Rank == 0 { // one reader is enough
		err = output.Intact(ctx, o.Out, done)
	} else {
		err = done.CheckParts(ctx, o.Out)
	}
	if err != nil {
		return done, false, err
	}
	done.Mine = o.World.Rank == 0
	if o.Job.Retry != nil {
		return done, true, nil
	}
	before := done.Generation()
	if done, err = p.published(ctx, done); err != nil {
		return done, false, err
	}
	if o.Retry == nil && done.Generation() == before {
		if err := p.lookAgain(ctx, &done); err != nil {
			return done, false, err
		}
	}
	return done, true, o.verdict().check(&job, done, o.Out.String())
}

// join makes this worker a member of the job: it creates or checks the record,
// and freezes or reads the manifest.
func (p *participant) join(ctx context.Context, engine Engine) (*worker, error) {
	o := p.opt
	var took time.Duration
	var passed listing.PassedOver
	list := p.list
	if list == nil {
		list = func(ctx context.Context, job *output.Job) (m *shard.Manifest, err error) {
			start := time.Now()
			m, passed, err = listing.Manifest(ctx, o.Images, job.Files, job.Max, o.Log)
			took = time.Since(start)
			return m, err
		}
	}
	listed, err := p.listFirst(ctx, list)
	if err != nil {
		return nil, err
	}
	defer func() {
		if listed != nil {
			listed.Close()
		}
	}()
	var plan *increment.Plan
	if listed != nil {
		o.Job.Listed = listed.Len()
		if o.After != nil {
			if plan, err = p.plan(ctx, &o, listed); err != nil {
				return nil, err
			}
			defer plan.Close()
		}
	}
	job, created, err := output.Join(ctx, o.Out, o.Job)
	if err == nil && !created {
		err = p.continues(ctx, &job)
	}
	if err != nil {
		return nil, err
	}
	o.joined(&job)
	if job.Batch < 1 {
		return nil, fmt.Errorf("the job record of %s: %w: it has batches of %d images; choose another folder, or remove this one to begin again",
			o.Out, output.ErrMismatch, job.Batch)
	}
	p.warnOfDecoding(&job)
	p.warnOfGPU(cmp.Or(p.of, &job))
	p.warnOfRuntime(cmp.Or(p.of, &job))
	if listed != nil && !job.Retry.Equal(o.Job.Retry) {
		listed.Close() // of another retry, which was begun first
		listed = nil
	}
	o.Job = job
	o.Decode.MaxPixels, o.Decode.MaxBytes = job.Bounds()
	o.Decode.MaxMemory = cmp.Or(job.MaxMemory, math.MaxInt64)
	if created {
		event.JobCreated.On(o.Log).Str("out", o.Out.String()).Str("images", job.Images).Msg("new job")
	}
	if err := p.keepDecoders(ctx, &job); err != nil {
		return nil, err
	}
	mine := listed
	listed = nil
	f, err := p.freeze(ctx, &job, mine, plan, list)
	if err != nil {
		return nil, err
	}
	m := f.manifest
	scope, err := scopeOf(&job, m)
	if err != nil {
		f.close()
		return nil, err
	}
	chunks, me := job.Chunks(m.Len()), claim.ThisProcess(o.World)
	claims := claim.New(claim.Config{Store: o.Out, Worker: me, Lease: o.Lease, Names: job.ClaimNames(chunks.Count())})
	holds := newHolds(claims)
	renewer := &renewer{claims: claims, holds: holds, lease: o.Lease, stop: o.Stop, log: o.Log}
	return &worker{
		opt: o, engine: engine, halt: p.halt, job: &job, manifest: m, chunks: chunks, me: me,
		claims: claims, holds: holds, renewer: renewer, copier: increment.NewCopier(o.Out, &job), statuses: map[string]int{}, gpu: p.gpu, price: p.price,
		past: p.past, scope: scope, failures: judge.NewCounter(o.early(&job), job.MaxErrors, scope.Images, o.World.Size),
		finisher: &finisher{
			images: o.Images, out: o.Out, job: &job, frozen: f, versions: o.Versions, verdict: o.verdict(),
			claims: claims, holds: holds, renewer: renewer, halt: p.halt, log: o.Log, listing: took, passed: passed, price: p.price, me: me.ID,
		},
	}, nil
}

// warnOfDecoding warns of a job that was begun by a program with other decoders.
func (p *participant) warnOfDecoding(job *output.Job) {
	if job.Decoding != preprocess.Decoding {
		event.DecodersDiffer.On(p.opt.Log).Int("job_has", job.Decoding).Int("this_rank", preprocess.Decoding).
			Msg("the job was begun by a program with other decoders: existing rows are kept, " +
				"and new rows may differ; for consistent rows, use a new --out")
	}
}

// warnOfGPU warns if this worker computes on a device of another kind than the worker
// that began the job.
func (p *participant) warnOfGPU(job *output.Job) {
	mine := factsOf(p.gpu)
	if job.GPU == nil && mine == nil {
		return
	}
	was, is := output.GPUKind(job.GPU, job.Device), output.GPUKind(mine, p.opt.Job.Device)
	if was == "" || is == "" || was == is {
		return
	}
	event.DevicesDiffer.On(p.opt.Log).Str("job_has", was).Str("this_rank", is).
		Msg("this rank computes on another kind of device than the one that began the job: the last digits of scores may differ" +
			" between rows; for equal bytes, use the same GPUs, driver and cuDNN everywhere")
}

// warnOfRuntime warns if this worker has another release of ONNX Runtime than the worker
// that began the job.
func (p *participant) warnOfRuntime(job *output.Job) {
	was, is := job.ONNXRuntime, p.opt.Versions[output.Runtime]
	if was == "" || is == "" || was == is {
		return
	}
	event.RuntimesDiffer.On(p.opt.Log).Str("job_has", was).Str("this_rank", is).
		Msg("this rank has another release of ONNX Runtime than the one that began the job: the last digits of scores may differ" +
			" between rows; for equal bytes, use the same release everywhere")
}

// While there is no manifest, a rank waits for those before it for its number
// times listWait, but mostListWait at most, before it lists by itself, in case
// they are not there. So few list at once, however many ranks there are.
const (
	listWait     = 30 * time.Second
	mostListWait = 5 * time.Minute
)

// listFirst lists the images for a job that does not exist yet, before it is
// created: a folder without images must not turn an output folder into the output
// of a job. It returns nil if the job exists. One rank's listing serves all: the
// others wait for the manifest that it freezes.
func (p *participant) listFirst(ctx context.Context, list lister) (*shard.Manifest, error) {
	if p.opt.World.Rank > 0 {
		if err := p.awaitManifest(ctx); err != nil {
			return nil, err
		}
	}
	_, err := output.ReadJob(ctx, p.opt.Out)
	if errors.Is(err, store.ErrNotExist) {
		if p.opt.Job.Retry != nil && p.opt.World.Rank > 0 {
			return nil, errNotBegun
		}
		return list(ctx, &p.opt.Job)
	}
	return nil, err
}

// awaitManifest returns when the manifest is frozen, or this rank has waited for
// long enough.
func (p *participant) awaitManifest(ctx context.Context) error {
	most := min(time.Duration(p.opt.World.Rank)*listWait, mostListWait)
	deadline, logged := time.Now().Add(most), false
	for pause := firstPause; time.Now().Before(deadline); pause = min(2*pause, lastPause) {
		frozen, err := output.Frozen(ctx, p.opt.Out)
		if frozen || err != nil {
			return err
		}
		if pause == lastPause && !logged {
			logged = true
			event.ListingAwaited.On(p.opt.Log).Float64("at_most_s", telemetry.Seconds(most)).Msg("waiting for another rank to list the images")
		}
		if err := p.halt.wait(ctx, pause); err != nil {
			return err
		}
		if err := p.halt.err(); err != nil {
			return err
		}
	}
	return nil
}
