package scorer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/telemetry"
	"github.com/batchscore/batchscore/scorer/telemetry/event"
	"github.com/batchscore/batchscore/scorer/tune"
	"github.com/batchscore/batchscore/shard"
)

// Tuning makes a worker measure at its start what suits it. The worker then chooses
// the decoders, fetchers and read-ahead that Options leave open, and what is asked
// for here. This does not change the bytes of the result: a batch size that is
// chosen goes into the job's record, where the first worker's choice counts.
type Tuning struct {
	Batch, Sessions bool
	// Cores is the number of cores of this worker. If Shared, its device computes on
	// them.
	Cores  int
	Shared bool
	// Processor names the machine's processor, since machines may share a Cache.
	Processor string
	// GPU is the model of the GPU that the engine computes on; empty for none. A device's
	// name only numbers it.
	GPU string
	// Cache is the folder that stores what was measured of devices; empty stores
	// nothing.
	Cache string
	// Budget is roughly how long measuring the device may take; 0 is DefaultTuning.
	Budget time.Duration
}

// DefaultTuning is enough time for about 100 images of Inception V3 on two cores.
const DefaultTuning = 4 * time.Second

// tuneImages is how many images are read and decoded to measure how long that takes.
// Decoding may take a twelfth of the budget.
const tuneImages = 16

func (t *Tuning) budget() time.Duration { return cmp.Or(t.Budget, DefaultTuning) }

// candidates returns the batch sizes and numbers of sessions to choose from, and why
// these batch sizes.
func (p *participant) candidates(ctx context.Context, e Engine) (from tune.Candidates, why string, err error) {
	o, t := &p.opt, p.opt.Tune
	from = tune.Candidates{Batches: []int{e.DefaultBatch()}, Sessions: []int{cmp.Or(o.Sessions, e.Lanes())}, Serial: !t.Shared}
	if !t.Shared {
		from.Usual = e.DefaultBatch()
	}
	recorded, why := o.Job.Batch, "given"
	if recorded == 0 {
		if recorded, err = p.recordedBatch(ctx); err != nil {
			return from, "", err
		}
		if recorded > 0 {
			why = "that of the existing job"
		}
	}
	switch {
	case recorded > 0:
		from.Batches = []int{recorded}
	case t.Batch && t.Shared:
		from.Batches, why = []int{1, 2, 4, 8}, "measured"
	case t.Batch:
		from.Batches, why = []int{8, 16, 32, 64, 128}, "measured"
	default:
		why = "the default"
	}
	if t.Sessions && o.Sessions == 0 {
		// With one session, a device of its own would wait between batches.
		least := 2
		if t.Shared {
			least = 1
		}
		lanes := e.Lanes()
		from.Sessions = []int{min(least, lanes), max((lanes+1)/2, min(least, lanes)), lanes}
		from.Sessions = slices.Compact(from.Sessions)
	}
	return from, why, nil
}

// tuneDevice chooses batch size and sessions.
func (p *participant) tuneDevice(ctx context.Context, e Engine) (tune.Choice, error) {
	o, t := &p.opt, p.opt.Tune
	from, why, err := p.candidates(ctx, e)
	if err != nil {
		return tune.Choice{}, err
	}
	measure := func() (tune.Choice, error) {
		return tune.Sweep(ctx, e, o.Contract, from, t.budget())
	}
	var c tune.Choice
	var kept bool
	var unkept error
	if t.Cache == "" {
		c, err = measure()
	} else {
		key := []string{o.Job.ModelDigest, e.Device(), fmt.Sprint(o.Versions), t.Processor, fmt.Sprint(t.Cores, from)}
		if t.GPU != "" {
			key = append(key, t.GPU)
		}
		c, kept, unkept, err = tune.Cached(t.Cache, key, measure)
	}
	if err != nil {
		return c, fmt.Errorf("tune for %s: %w", e.Device(), err)
	}
	if unkept != nil {
		event.TuningNotKept.On(o.Log).Err(unkept).Str("folder", t.Cache).Msg("cannot cache the measurements")
	}
	threads := "1 a session, so that the scores do not depend on it"
	if !t.Shared {
		threads = "none: the device computes"
	}
	event.DeviceTuned.On(o.Log).Str("device", e.Device()).Int("batch", c.Batch).Str("batch_is", why).Int("sessions", c.Sessions).
		Str("threads", threads).Float64("images_per_s", telemetry.Tenths(c.Rate)).Str("measured", c.Why).Bool("from_cache", kept).
		Msg("tuned to the device")
	return c, nil
}

// tryOut tests the model with the batch size that the job has, or will have if this
// worker creates it, and returns that size.
func (p *participant) tryOut(ctx context.Context) (batch int, err error) {
	if batch = p.opt.Job.Batch; batch == 0 {
		if batch, err = p.recordedBatch(ctx); err != nil {
			return 0, err
		}
		batch = cmp.Or(batch, p.opt.Job.AutoBatch)
	}
	if p.opt.TryOut == nil {
		return batch, nil
	}
	return batch, p.opt.TryOut(ctx, batch)
}

// recordedBatch returns the batch size in the job's record; 0 if there is none yet.
func (p *participant) recordedBatch(ctx context.Context) (int, error) {
	job, err := output.ReadJob(ctx, p.opt.Out)
	if errors.Is(err, store.ErrNotExist) {
		return 0, nil
	}
	return job.Batch, err
}

// tuneHost chooses decoders, fetchers and read-ahead for a device of that rate.
func (w *worker) tuneHost(ctx context.Context, rate float64) error {
	bodies, latency, err := w.sample(ctx)
	if err != nil {
		return err
	}
	if len(bodies) == 0 {
		event.ImagesNotTuned.On(w.opt.Log).Msg("none of the first images could be read, so decoders and read-ahead are the default")
		return nil
	}
	perCore, _, err := tune.Decode(ctx, bodies, w.opt.Contract.Preprocess, w.opt.Decode, 1, w.opt.Tune.budget()/12)
	if err != nil {
		return err
	}
	size := 0
	for _, b := range bodies {
		size += len(b)
	}
	f := tune.Feed(rate, tune.Host{Cores: w.opt.Tune.Cores, Shared: w.opt.Tune.Shared, Decode: perCore,
		Latency: latency, Size: int64(size / len(bodies))})
	w.opt.Decoders = cmp.Or(w.opt.Decoders, f.Decoders)
	w.opt.Fetchers = cmp.Or(w.opt.Fetchers, f.Fetchers)
	w.opt.ReadAheadBytes = cmp.Or(w.opt.ReadAheadBytes, min(f.ReadAheadBytes, w.opt.Decode.Budget.Limits().ReadAhead))
	w.limit = f.Limit
	event.ImagesTuned.On(w.opt.Log).Int("decoders", w.opt.Decoders).Int("fetchers", w.opt.Fetchers).Int64("read_ahead_mb", w.opt.ReadAheadBytes>>20).
		Float64("decoded_per_s_and_core", telemetry.Tenths(perCore)).Float64("fetch_ms", float64(latency.Microseconds())/1e3).
		Float64("limit_images_per_s", telemetry.Tenths(f.Limit)).Msg("tuned to the images")
	return nil
}

// sample reads the first images of the worker's share, without those that together exceed
// what may be read ahead. latency is how long reading one takes on average.
func (w *worker) sample(ctx context.Context) (bodies [][]byte, latency time.Duration, err error) {
	lo, _ := w.chunks.Share(w.opt.World.Rank, w.opt.World.Size)
	first, last := min(lo*w.chunks.Size, w.manifest.Len()), w.manifest.Len()
	room := w.opt.Decode.Budget.Limits().ReadAhead
	for i := first; i < min(last, first+tuneImages); i++ {
		e, err := w.manifest.At(i)
		if err != nil {
			return nil, 0, err
		}
		if e.Size == 0 || e.Size > min(w.opt.Decode.MaxBytes, room) {
			continue
		}
		start := time.Now()
		body, err := w.readPlain(ctx, e)
		if ctx.Err() != nil {
			return nil, 0, context.Cause(ctx)
		}
		if err == nil { // the run will report images that fail
			bodies = append(bodies, body)
			room -= e.Size
			latency += time.Since(start)
		}
	}
	return bodies, latency / time.Duration(max(len(bodies), 1)), nil
}

func (w *worker) readPlain(ctx context.Context, e shard.Entry) ([]byte, error) {
	r, _, err := w.opt.Images.Open(ctx, e.Path, e.ETag)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	body := make([]byte, e.Size)
	_, err = io.ReadFull(r, body)
	return body, err
}
