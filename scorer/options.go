package scorer

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"runtime"
	"time"

	"github.com/rs/zerolog"
	"go.opentelemetry.io/otel/trace"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/preprocess"
	"github.com/batchscore/batchscore/models/preprocess/budget"
	"github.com/batchscore/batchscore/scorer/cost"
	"github.com/batchscore/batchscore/scorer/increment"
	"github.com/batchscore/batchscore/scorer/judge"
	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/telemetry"
	"github.com/batchscore/batchscore/shard"
)

// Options is what one worker needs to take part in a job.
type Options struct {
	Images, Out store.Store
	// Job is the job as this worker understands it. A Batch or Chunk of 0
	// takes what the job's record says, or a default.
	Job      output.Job
	Contract models.Contract
	// OpenEngine loads the model and tests it. It is called before anything is
	// written, and not at all if the job is already complete.
	OpenEngine func() (Engine, error)
	// GPU returns the GPU of the opened engine, or nil if it computes on none; nil if
	// no engine does.
	GPU func() GPU
	// TryOut returns an error if the opened engine cannot score the model in
	// batches of that many images. It is called before anything is written; nil
	// accepts every model.
	TryOut    func(ctx context.Context, batch int) error
	World     shard.World
	MaxErrors judge.Limits
	// StrictDrift makes it an error that images were added, removed or changed since
	// the job listed them.
	StrictDrift bool
	// Retry scores the images whose rows have these statuses again, once the job is
	// complete; nil scores none again. "changed" includes images that have changed since
	// they were listed, whatever their rows say.
	Retry row.Selection
	// After is the earlier output that a new job continues; nil for none.
	After *After
	// Delivery is the file that the rows are written to once the job is complete; nil
	// for none.
	Delivery *Delivery
	// Failed, if not nil, is called with the rows of failed images that this worker has
	// committed, by one goroutine at a time. It must not wait.
	Failed func(rows []row.Row)
	// Rescore scores an image that changed after the listing as it is now. Without
	// it such an image gets a row that says so.
	Rescore bool
	// Decode limits the images. A MaxPixels, MaxBytes or MaxMemory of 0 takes what the
	// job's record says, or a default. A Budget of nil is this worker's share of half the
	// machine's memory.
	Decode preprocess.Options
	// DecodeMemory is how many bytes all ranks of this machine may take for decoding; 0
	// means half of what the control group or the machine has.
	DecodeMemory int64
	// Decoders and Fetchers are numbers of goroutines; 0 chooses. For 0 Decoders,
	// CountDecoders is asked, unless nil, once the engine is open: that may change which
	// cores this process runs on.
	Decoders, Fetchers int
	CountDecoders      func() int
	// Sessions is how many Score calls run at once; 0 is the engine's Lanes.
	Sessions int
	// Tune chooses by measuring; nil takes the defaults.
	Tune *Tuning
	// ReadAheadBytes bounds the encoded images held in memory; 0 chooses, within the
	// budget of memory. A larger one counts as part of that budget.
	ReadAheadBytes int64
	// Lease is how long a worker on another machine may go without renewing its
	// claim on a chunk before others take the chunk over.
	Lease time.Duration
	// Closing Stop asks the worker to drain. It then has Grace to commit what it
	// has in hand; a rerun scores the rest again.
	Stop  <-chan struct{}
	Grace time.Duration
	// Leave is for a process that must end at once, as for want of memory; nil if it
	// never must.
	Leave *Leave

	// Traces receives the spans of chunks; nil for none.
	Traces trace.TracerProvider

	Counters *telemetry.Counters
	Progress *telemetry.Progress
	// State is told what becomes known of the job and the worker; nil keeps nothing.
	State *telemetry.State
	Log   zerolog.Logger
	// Joined is told the job's id, as the record has it, as soon as this worker knows it;
	// nil for nobody.
	Joined func(job string)
	// Versions of what the result depends on, by name.
	Versions map[string]string

	// Static keeps the worker to its own share, to measure what stealing gains.
	Static bool
	// Deadline and Budget pause the worker: after that time, or once it has taken
	// that many images. 0 is no limit.
	Deadline time.Duration
	Budget   int
	// Price returns the price of a device; nil if it is not known. Money pauses the worker
	// once it has cost that much; 0 is no limit. It is this worker's share of what may be
	// spent.
	Price func(device string) *cost.Price
	Money float64

	judging time.Duration // between looks at the failures of all ranks; 0 is the default
	hook    testHook
	// libraries replaces what identifies the native libraries of this machine; for tests.
	libraries func(library string) string
}

// After is how a job continues an earlier output: it keeps the rows of images that have not
// changed.
type After struct {
	// Place is that of the output, or of a folder of outputs, of which the last complete one
	// is continued. It is in the same storage as Options.Out.
	Place string
	increment.Asked
}

// testHook is called at named points, for tests that kill the process there. A nil
// hook does nothing.
type testHook func(point string, chunk int)

func (h testHook) at(point string, chunk int) {
	if h != nil {
		h(point, chunk)
	}
}

// joined tells Joined of a job. A retry is part of the job whose rows it makes.
func (o *Options) joined(job *output.Job) {
	if o.Joined != nil && job.Retry == nil {
		o.Joined(job.ID)
	}
}

// Defaults of Options.
const (
	// DefaultLease gives a worker on a busy machine time to renew its claims.
	DefaultLease = time.Minute
	// fastReadAhead is for devices that take large batches. It lets all of their
	// shard.DefaultFetchers work.
	fastReadAhead = 256 << 20
	// DefaultGrace lets a worker that is asked to stop leave within 25 seconds.
	DefaultGrace = 20 * time.Second
	// defaultReadAhead is some 500 photographs.
	defaultReadAhead = 64 << 20
)

func (o Options) withDefaults() Options {
	o.Lease = cmp.Or(o.Lease, DefaultLease)
	o.Grace = cmp.Or(o.Grace, DefaultGrace)
	o.Job.MaxPixels, o.Job.MaxBytes = o.Decode.MaxPixels, o.Decode.MaxBytes
	if o.Decode.Budget == nil {
		o.Decode.Budget = o.budget()
	}
	o.Job.MaxMemory, o.Job.AutoMaxMemory = o.Decode.MaxMemory, o.Decode.Budget.Limits().Largest
	o.Job.AutoMaxPixels = cmp.Or(o.Decode.MaxPixels, preprocess.DefaultMaxPixels)
	o.Job.AutoMaxBytes = cmp.Or(o.Decode.MaxBytes, preprocess.DefaultMaxBytes(o.Job.AutoMaxPixels))
	o.Job.Decoding = preprocess.Decoding
	return o
}

// budget returns this worker's share of the memory for decoding.
func (o *Options) budget() *budget.Budget {
	limits := budget.LimitsOf(o.DecodeMemory, o.World.LocalSize)
	if o.World.LocalSize <= 1 {
		return budget.New(limits, nil)
	}
	// The ranks of a machine that write to the same place have one turn.
	job := sha256.Sum256([]byte(o.Out.String()))
	return budget.New(limits, budget.Turn(hex.EncodeToString(job[:16])))
}

// feedDefaults fills in what neither the caller nor measuring chose, for a device that
// scores batches of that many images.
func (o *Options) feedDefaults(batch int) {
	ahead := int64(defaultReadAhead)
	if batch >= shard.LargeBatch {
		ahead = fastReadAhead
	}
	if o.ReadAheadBytes == 0 {
		o.ReadAheadBytes = min(ahead, o.Decode.Budget.Limits().ReadAhead)
	}
	o.Decoders = cmp.Or(o.Decoders, runtime.GOMAXPROCS(0))
	o.Fetchers = cmp.Or(o.Fetchers, shard.DefaultFetchers(batch))
}

// mostAhead returns how many images may be fetched or wait to be scored, beyond those
// for which the device has batches in any case: enough for all fetchers to be at work,
// and as many images waiting for them, within the budget of memory. rowBytes is the size
// of one image in a batch.
func (o *Options) mostAhead(rowBytes int) int {
	return min(2*o.Fetchers, int(o.ReadAheadBytes/int64(rowBytes)))
}
