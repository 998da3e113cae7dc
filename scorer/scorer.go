package scorer

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/rs/zerolog"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/preprocess"
	"github.com/batchscore/batchscore/scorer/claim"
	"github.com/batchscore/batchscore/scorer/listing"
	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/telemetry"
	"github.com/batchscore/batchscore/scorer/tune"
	"github.com/batchscore/batchscore/shard"
)

var (
	// ErrStopped means that the worker was asked to stop before the job was
	// done. What it committed stands; a rerun goes on from there.
	ErrStopped = errors.New("stopped before the job was done; start it again to go on")
	// ErrTooManyFailed means that the job is complete, with more failed images
	// than allowed.
	ErrTooManyFailed = errors.New("too many images failed")
)

// Options is what one worker needs to take part in a job.
type Options struct {
	Images, Out store.Store
	// Job is the job as this worker understands it. A Batch or Chunk of 0
	// takes what the record says, or a default.
	Job      output.Job
	Contract models.Contract
	// OpenEngine loads the model and tries it out. It is called before anything
	// is written, and not at all when the job is complete already.
	OpenEngine func() (Engine, error)
	// TryOut refuses a model that cannot be scored in batches of so many images
	// on the engine that was opened. It is called before anything is written;
	// nil accepts every model.
	TryOut    func(ctx context.Context, batch int) error
	World     shard.World
	MaxErrors Threshold
	// Retry asks to score the images again whose rows have these statuses, once the
	// job is complete; nil asks for nothing.
	Retry row.Selection
	// Rescore scores an image that changed after the listing as it is now,
	// instead of giving it a row that says so.
	Rescore bool
	// Decode bounds the images. A MaxPixels or MaxBytes of 0 takes what the job's
	// record says, or a default.
	Decode preprocess.Options
	// Decoders and Fetchers are numbers of goroutines; 0 chooses.
	Decoders, Fetchers int
	// Sessions is how many Score calls run at once; 0 is the engine's Lanes.
	Sessions int
	// Tune measures what to choose; nil takes the defaults.
	Tune *Tuning
	// ReadAheadBytes bounds the encoded images held in memory.
	ReadAheadBytes int64
	// Lease is after how long without a sign of life a chunk's claim may be
	// taken over from a worker on another machine.
	Lease time.Duration
	// Stop asks the worker to drain. It then has Grace to commit what it has
	// in hand; the rest is dropped and done again by a rerun.
	Stop  <-chan struct{}
	Grace time.Duration

	Counters *telemetry.Counters
	Progress *telemetry.Progress
	Log      zerolog.Logger
	// Versions of what the result depends on, by name.
	Versions map[string]string

	// Static keeps the worker to its own share, for benchmarks of balance.
	Static bool
	// Deadline and Budget pause the worker: after a time, or once it has taken
	// that many images. 0 is none.
	Deadline time.Duration
	Budget   int

	// bounds are those of a retry of a job that exists.
	bounds preprocess.Options
	// halt is set by Run.
	halt *halt
	// list makes the manifest of a job; nil lists all images.
	list lister
	// hook is called at named points, for tests that kill the process there.
	hook func(point string, chunk int)
}

func (o *Options) at(point string, chunk int) {
	if o.hook != nil {
		o.hook(point, chunk)
	}
}

// worker is one rank at work on a job whose manifest is frozen.
type worker struct {
	Options
	Engine   Engine
	Manifest *shard.Manifest
	Chunks   shard.Chunks
	Batch    int
	schema   row.Schema
	me       claim.Worker
	claims   *claim.Claims
	taker    *taker
	// statuses counts the rows that this worker committed; the committer's.
	statuses map[string]int
	share    int // images of the own share at the start
	// limit is the rate that device and cores allow, in images per second; 0
	// where nobody measured it.
	limit float64
	// listing is how long this worker took to list the images, 0 if it did not.
	listing time.Duration
	// passed is what the last listing of this worker passed over.
	passed output.PassedOver
	// relist lists them again.
	relist func() <-chan relisting
}

// Run takes part in a job until all its chunks are committed, by this worker or
// by others, and returns what _SUCCESS says. A static worker waits for the others,
// and returns output.ErrIncomplete if there are none. Run may be called by any
// number of processes at once, on any machines that share the two stores.
func Run(ctx context.Context, o Options) (output.Success, error) {
	start := time.Now()
	o = o.withDefaults()
	task, err := row.ForContract(&o.Contract)
	if err != nil {
		return output.Success{}, err
	}
	o.Job.Task = row.RecordedName(task)
	o.halt = newHalt()
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	go o.watch(ctx)
	go o.graceful(ctx, end)
	if o.Retry != nil {
		done, err := o.retry(ctx, start)
		return done, o.because(ctx, err)
	}
	done, err := run(ctx, o, start)
	return done, o.because(ctx, err)
}

func run(ctx context.Context, o Options, start time.Time) (output.Success, error) {
	if done, ok, err := completed(ctx, &o); err != nil || ok {
		return done, err
	}
	engine, err := o.OpenEngine()
	if err != nil {
		return output.Success{}, err
	}
	defer engine.Close()
	o.Job.Device = engine.Device()
	o.Job.AutoBatch = engine.DefaultBatch()
	var choice tune.Choice
	if o.Tune != nil {
		if choice, err = o.tuneDevice(ctx, engine); err != nil {
			return output.Success{}, err
		}
		o.Job.AutoBatch, o.Sessions = choice.Batch, choice.Sessions
	}
	o.Sessions = cmp.Or(o.Sessions, max(1, engine.Lanes()))
	tried, err := o.tryOut(ctx)
	if err != nil {
		return output.Success{}, err
	}

	w, err := join(ctx, o, engine)
	if err != nil {
		return output.Success{}, err
	}
	defer w.Manifest.Close()
	if tried != w.Batch && o.TryOut != nil { // another worker's choice was faster
		if err := o.TryOut(ctx, w.Batch); err != nil {
			return output.Success{}, err
		}
	}
	var end func()
	w.relist, end = w.relister(ctx)
	defer end()
	if o.Tune != nil {
		if err := w.tuneHost(ctx, choice.Rate); err != nil {
			return output.Success{}, err
		}
	}
	w.feedDefaults()
	done, err := w.work(ctx, start)
	if err == nil && !done {
		err = w.awaitOthers(ctx)
	}
	if err != nil {
		return output.Success{}, err
	}
	return w.finish(ctx)
}

// completed answers for a job that is done already, without loading the model.
func completed(ctx context.Context, o *Options) (output.Success, bool, error) {
	done, err := output.ReadSuccess(ctx, o.Out)
	if errors.Is(err, store.ErrNotExist) {
		return done, false, nil
	}
	if err != nil {
		return done, false, err
	}
	if _, _, err := output.Join(ctx, o.Out, o.Job); err != nil {
		return done, false, err
	}
	if o.World.Rank == 0 { // one reader is enough
		err = output.Intact(ctx, o.Out, done)
	} else {
		err = done.Stands(ctx, o.Out)
	}
	if err != nil {
		return done, false, err
	}
	if o.Job.Retry != nil {
		return done, true, nil
	}
	if done, err = o.published(ctx, done); err != nil {
		return done, false, err
	}
	return done, true, o.MaxErrors.check(done, o.Out.String())
}

// join makes this worker a member of the job: it creates or checks the record,
// and freezes or reads the manifest.
func join(ctx context.Context, o Options, engine Engine) (*worker, error) {
	var took time.Duration
	var passed output.PassedOver
	list := o.list
	if list == nil {
		list = func(ctx context.Context, job *output.Job) (m *shard.Manifest, err error) {
			start := time.Now()
			m, passed, err = listing.Manifest(ctx, o.Images, job.Files, job.Max, o.Log)
			took = time.Since(start)
			return m, err
		}
	}
	listed, err := listFirst(ctx, &o, list)
	if err != nil {
		return nil, err
	}
	defer func() {
		if listed != nil {
			listed.Close()
		}
	}()
	if listed != nil {
		o.Job.Listed = listed.Len()
	}
	job, created, err := output.Join(ctx, o.Out, o.Job)
	if err != nil {
		return nil, err
	}
	o.warnOfDecoding(&job)
	if listed != nil && !job.Retry.Alike(o.Job.Retry) {
		listed.Close() // that of another retry, which was begun first
		listed = nil
	}
	o.Job = job
	o.Decode.MaxPixels, o.Decode.MaxBytes = job.Bounds()
	if created {
		o.Log.Info().Str("out", o.Out.String()).Str("images", job.Images).Msg("new job")
	}
	m, err := output.Freeze(ctx, o.Out, func(ctx context.Context) (*shard.Manifest, error) {
		if m := listed; m != nil {
			listed = nil
			return m, nil
		}
		return list(ctx, &job)
	})
	if err != nil {
		return nil, err
	}
	me, chunks := claim.ThisProcess(o.World), job.Chunks(m.Len())
	return &worker{
		Options: o, me: me, Engine: engine, Manifest: m,
		Chunks: chunks, Batch: job.Batch, schema: job.Schema(),
		claims:   claim.New(claim.Config{Store: o.Out, Worker: me, Lease: o.Lease, Names: job.ClaimNames(chunks.Count())}),
		statuses: map[string]int{},
		listing:  took,
		passed:   passed,
	}, nil
}

// warnOfDecoding tells of a job that was begun by a program with other decoders.
func (o *Options) warnOfDecoding(job *output.Job) {
	if job.Decoding != preprocess.Decoding {
		o.Log.Warn().Int("job", job.Decoding).Int("this_program", preprocess.Decoding).
			Msg("the job was begun by a program with other decoders: rows that exist are kept as they are, " +
				"and rows that are made now may differ; for one answer throughout, choose another --out")
	}
}

// lister makes the manifest of a job.
type lister func(ctx context.Context, job *output.Job) (*shard.Manifest, error)

// A rank leaves the listing to those before it for its number times listPatience,
// maxPatience at most, before it lists by itself, in case they are not there. So
// few list at once, however many ranks there are.
const (
	listPatience = 30 * time.Second
	maxPatience  = 5 * time.Minute
)

// listFirst lists the images for a job that does not exist yet, before it is
// created: a folder without images must not make an output folder its own. It
// returns nil where the job exists. One rank's listing serves all: the others
// wait for the manifest that it freezes.
func listFirst(ctx context.Context, o *Options, list lister) (*shard.Manifest, error) {
	if o.World.Rank > 0 {
		if err := awaitManifest(ctx, o); err != nil {
			return nil, err
		}
	}
	_, err := output.ReadJob(ctx, o.Out)
	if errors.Is(err, store.ErrNotExist) {
		if o.Job.Retry != nil && o.World.Rank > 0 {
			return nil, errNotBegun
		}
		return list(ctx, &o.Job)
	}
	return nil, err
}

// awaitManifest returns when the manifest is frozen, or patience is at its end.
func awaitManifest(ctx context.Context, o *Options) error {
	patience := min(time.Duration(o.World.Rank)*listPatience, maxPatience)
	deadline, told := time.Now().Add(patience), false
	for pause := firstPause; time.Now().Before(deadline); pause = min(2*pause, lastPause) {
		frozen, err := output.Frozen(ctx, o.Out)
		if frozen || err != nil {
			return err
		}
		if pause == lastPause && !told {
			told = true
			o.Log.Info().Stringer("at_most", patience).Msg("waiting for another rank to list the images")
		}
		if err := o.pause(ctx, pause); err != nil {
			return err
		}
		if err := o.halt.why(); err != nil {
			return err
		}
	}
	return nil
}
