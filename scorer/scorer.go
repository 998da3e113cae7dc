package scorer

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/output/agreement"
	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/telemetry/tracing"
)

// ErrTooManyFailed means that the job is complete, with more failed images than
// allowed.
var ErrTooManyFailed = errors.New("too many images failed")

// ErrDrifted means that the job is complete, but images were added, removed or changed
// since it listed them, which Options.StrictDrift does not accept.
var ErrDrifted = errors.New("the images are not those of the job")

// Run takes part in a job until all its chunks are committed, by this worker or
// by others, and returns what _SUCCESS says. A static worker waits for the others,
// and returns output.ErrIncomplete if there are none. Run may be called by any
// number of processes at once, on any machines that share the two stores.
func Run(ctx context.Context, o Options) (output.Success, error) {
	start := time.Now()
	o = o.withDefaults()
	o.Decode.Budget.LimitGarbage()
	task, err := row.ForContract(&o.Contract)
	if err != nil {
		return output.Success{}, err
	}
	o.Job.SetAnswers(&o.Contract, task, cmp.Or(o.Job.AskedTopK, o.Job.TopK))
	halt := newHalt()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go halt.watch(ctx, o.Stop, o.Deadline)
	go halt.cancelAfter(ctx, o.Grace, cancel, o.Log)
	p := &participant{opt: o, halt: halt}
	run := p.run
	if o.Retry != nil && o.After != nil {
		// A job that is complete has a retry of its own, and a new one scores kept images
		// with these statuses again.
		// A job that has done so already, as this rank may find if it starts late, is not
		// begun again.
		_, err := output.ReadSuccess(ctx, o.Out)
		if err == nil {
			var job output.Job
			if job, err = output.ReadJob(ctx, o.Out); err == nil && job.After != nil && slices.Equal(job.After.Retry, o.Retry) {
				err = store.ErrNotExist
			}
		}
		if errors.Is(err, store.ErrNotExist) {
			after := *o.After
			after.Retry = o.Retry
			p.opt.After, p.opt.Retry, o.Retry = &after, nil, nil
		} else if err != nil {
			return output.Success{}, err
		}
	}
	if o.Retry != nil {
		run = (&retrier{job: *p}).run
	}
	done, err := run(ctx, start)
	return done, halt.cause(ctx, p.delivered(ctx, &done, err))
}

// scoreChunks connects the stages and runs them until every chunk that the taker
// finds is committed. A stage ranges over its input until that is closed or ctx
// ends, and its last goroutine closes its output. Every send also selects on ctx.
func (w *worker) scoreChunks(ctx context.Context, taker *taker) error {
	o, spec := &w.opt, w.opt.Contract.Preprocess
	o.Decode.Libraries = agreement.OnLibraries(ctx, o.Out)
	device := newDevice(w.engine, w.job.Batch, o.Counters, o.Log)
	if t, ok := w.engine.(tiler); ok {
		o.Decode.Tiles = t.Tiles(w.job.Batch, device)
	}
	stride := o.Decode.RowBytes(spec)
	// While every lane runs one batch, as many again are being filled.
	core := 2 * o.Sessions
	most := o.mostAhead(stride)
	batchCount := core + 1 + most/w.job.Batch

	toFetch := make(chan item)
	toDecode := make(chan item, o.Decoders)
	ready := make(chan *batch, batchCount) // their images are all decoded or failed
	scored := make(chan *chunk)            // their rows are complete

	schema := w.job.Schema()
	ahead := newReadAhead(1, most)
	batches := &batchPool{engine: w.engine, size: w.job.Batch, taker: taker, free: make(chan *batch, batchCount), core: core, ahead: ahead}
	chunks := &chunkPool{manifest: w.manifest, chunks: w.chunks, batch: w.job.Batch, holds: w.holds, copier: w.copier,
		answers: func() row.Answers { return schema.NewAnswers(&o.Contract, w.job.TopK) }, spent: make(chan *chunk, batchCount+2),
		traces: tracing.NewChunks(ctx, o.Traces, w.job.ID, o.World.Rank)}
	reader := newReader(o, w.halt, ahead)
	assembler := &assembler{stride: stride, ready: ready}
	gate := newGate(o.Sessions, batchCount)
	filler := &filler{width: o.Contract.RowNumbers(), device: device, counters: o.Counters, progress: o.Progress}
	isolator := &isolator{taker: taker, claims: w.claims, holds: w.holds, chunks: chunks, batches: batches, spec: spec,
		bounds: o.Decode, reader: reader, assembler: assembler, device: device, filler: filler, gate: gate, scored: scored,
		leave: o.Leave, stop: o.Stop, log: o.Log, hook: o.hook}

	feeder := &feeder{taker: taker, claims: w.claims, holds: w.holds, chunks: chunks, batches: batches, isolator: isolator,
		assembler: assembler, toFetch: toFetch}
	fetchers := &fetchers{in: toFetch, out: toDecode, reader: reader, assembler: assembler, hook: o.hook}
	decoders := &decoders{in: toDecode, spec: spec, bounds: o.Decode, reader: reader, assembler: assembler, counters: o.Counters}
	lanes := &lanes{ready: ready, gate: gate, device: device, filler: filler, batches: batches, scored: scored, hook: o.hook}
	shareStart, shareEnd := w.chunks.Share(o.World.Rank, o.World.Size)
	committer := &committer{in: scored, out: o.Out, job: w.job, manifest: w.manifest, holds: w.holds, gate: gate, chunks: chunks,
		counters: o.Counters, log: o.Log, hook: o.hook, shareStart: shareStart, shareEnd: shareEnd, statuses: w.statuses, failed: o.Failed,
		failures: w.failures, rescored: reader.rescored}

	g, ctx := errgroup.WithContext(ctx)
	stage := func(n int, run func(context.Context) error, done func()) {
		var left atomic.Int32
		left.Store(int32(n))
		for range n {
			g.Go(func() error {
				err := run(ctx)
				if left.Add(-1) == 0 {
					done()
				}
				return err
			})
		}
	}
	// Both fetchers and decoders settle images, so the last of either closes ready.
	var settling atomic.Int32
	settling.Store(2)
	settled := func() {
		if settling.Add(-1) == 0 {
			close(ready)
		}
	}
	stage(1, feeder.run, func() { close(toFetch) })
	stage(o.Fetchers, fetchers.run, func() { close(toDecode); settled() })
	stage(o.Decoders, decoders.run, settled)
	stage(1, gate.releaseHeld, func() {})
	stage(o.Sessions, lanes.run, func() { close(scored) })
	stage(1, committer.run, func() {})
	return g.Wait()
}

// send puts v on c unless the context ends first.
func send[T any](ctx context.Context, c chan<- T, v T) error {
	select {
	case c <- v:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
