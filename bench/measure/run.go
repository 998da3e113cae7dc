package measure

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/batchscore/batchscore/bench/result"
	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/device"
	"github.com/batchscore/batchscore/models/preprocess"
	"github.com/batchscore/batchscore/scorer"
	"github.com/batchscore/batchscore/scorer/listing"
	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/store/dir"
	"github.com/batchscore/batchscore/scorer/telemetry"
	"github.com/batchscore/batchscore/scorer/tune"
	"github.com/batchscore/batchscore/shard"
)

// RunOptions are the options of Run.
type RunOptions struct {
	Images store.Store
	Remote bool // whether Images is in a storage on a network
	Max    int  // images of a run; 0 is all
	Chunk  int  // images of a chunk; 0 depends on the number of images
	Model  *models.Model
	// Engine is an open engine, which Run does not close.
	Engine scorer.Engine
	// Shared is true if the engine computes on the cores that decode, so that the
	// times of both add up; Simulated, if it does not compute.
	Shared, Simulated bool
	Batch, Decoders   int
	// Decode chooses what decodes; its bounds are the default.
	Decode preprocess.Options
	Rounds int
	// Least is how long the limits are measured in each round.
	Least time.Duration
	Log   zerolog.Logger
	// Meter reads the engine's GPU, whose name is GPU; nil and empty if it computes on
	// none.
	Meter telemetry.Meter
	GPU   string
}

// Run scores a collection in every round, into a new folder on the local disk. Before
// that it measures each part alone: the engine on ready tensors, the decoders on bytes
// in memory, and reading from the store. It returns the samples and the stage that
// limited the last round. The units:
//
//   - images/s, from the listing to _SUCCESS, with the engine open;
//   - session-images/s, decode-images/s and fetch-images/s of the parts alone;
//   - cores-images/s, if the engine does not share the cores: the rate that the
//     cores allow, given the processor time to decode an image and, on Linux, that
//     of the whole machine to read it, including storage that runs on it;
//   - of-session, the rate divided by that of the engine alone;
//   - of-limit, the rate divided by what all parts allow together. If engine and
//     decoders share the cores, their times add up; otherwise the slowest of engine,
//     decoders and cores is the limit. Blob storage may set a lower limit;
//   - of-limit-cpu and cpu-ms/image, if they share the cores: of-limit in terms of
//     processor time, and the processor time of an image;
//   - device-busy, decoders-busy and committer-busy, the shares of the time in which
//     the device computed, a decoder decoded, and a part was committed;
//   - gpu-busy, gpu-watts, images/J and gpu-throttled-s, on a GPU that reports them: the
//     share of the time in which it computed, its power, the images per joule of the
//     whole GPU, and the seconds in which its clock was lowered;
//   - cores-busy, on Linux: the share of the time in which the machine's cores worked
//     for any process. At 1, nothing can be gained by waiting less.
func Run(ctx context.Context, o RunOptions) ([]result.Sample, telemetry.Stage, error) {
	d := tune.NewDevice(o.Engine, o.Model.Contract, o.Batch)
	d.Serial = !o.Shared
	var samples []result.Sample
	var binds telemetry.Stage
	for range o.Rounds {
		l, err := o.limits(ctx, d)
		if err != nil {
			return nil, binds, err
		}
		r, err := o.score(ctx, new(telemetry.Counters))
		if err != nil {
			return nil, binds, err
		}
		binds = r.binds
		s := o.sample(r)
		s.Values = slices.Insert(s.Values, 1, l.reached(r, o)...) // after the rate
		samples = append(samples, s)
	}
	return samples, binds, nil
}

// Score runs once, without measuring the limits, and returns the sample. It counts in
// counters, which must be new.
func Score(ctx context.Context, o RunOptions, counters *telemetry.Counters) (result.Sample, error) {
	r, err := o.score(ctx, counters)
	return o.sample(r), err
}

func (o *RunOptions) sample(r scored) result.Sample {
	s := result.Sample{
		Name: "Run", Simulated: o.Simulated, Iterations: r.images,
		Keys: []result.Key{result.K("model", o.Model.Contract.Name), result.K("device", Device(o.Engine.Device(), o.GPU)),
			result.K("images", o.source()), result.K("batch", o.Batch), result.K("decoders", o.Decoders)},
		Values: []result.Value{{Value: r.rate, Unit: "images/s"}},
	}
	if o.Shared {
		s.Values = append(s.Values, result.Value{Value: 1e3 * r.cpu, Unit: "cpu-ms/image"})
	}
	s.Values = append(s.Values, result.Value{Value: r.busy, Unit: "device-busy"},
		result.Value{Value: r.decoding, Unit: "decoders-busy"}, result.Value{Value: r.committing, Unit: "committer-busy"})
	if r.cores > 0 {
		s.Values = append(s.Values, result.Value{Value: r.cores, Unit: "cores-busy"})
	}
	s.Values = append(s.Values, gpuValues(r.gpu, float64(r.images))...)
	return s
}

// reached returns the limits, and the share of them that a run reached.
func (l limits) reached(r scored, o RunOptions) []result.Value {
	values := []result.Value{
		{Value: l.session.rate, Unit: "session-images/s"}, {Value: l.decode.rate, Unit: "decode-images/s"}, {Value: l.fetch.rate, Unit: "fetch-images/s"},
		{Value: r.rate / l.session.rate, Unit: "of-session"}, {Value: r.rate / l.together(o), Unit: "of-limit"},
	}
	if o.Shared {
		return append(values, result.Value{Value: (l.session.cpu + l.decode.cpu) / r.cpu, Unit: "of-limit-cpu"})
	}
	return append(values, result.Value{Value: l.cores(), Unit: "cores-images/s"})
}

// What images come from.
const (
	fromFolder = "folder"
	fromBlobs  = "blobs"
)

func (o RunOptions) source() string {
	if o.Remote {
		return fromBlobs
	}
	return fromFolder
}

// part is the speed of one part of the work alone.
type part struct {
	rate float64 // images/s
	cpu  float64 // processor seconds an image
}

type limits struct {
	session, decode part
	fetch           part // its processor time is that of the whole machine
}

// together returns the rate that all parts of a run allow.
func (l limits) together(o RunOptions) float64 {
	rate := min(l.session.rate, l.decode.rate, l.cores())
	if o.Shared {
		rate = 1 / (1/l.session.rate + 1/l.decode.rate)
	}
	if o.Remote {
		rate = min(rate, l.fetch.rate)
	}
	return rate
}

// cores returns the rate at which fetching and decoding keep all cores busy.
func (l limits) cores() float64 {
	return float64(runtime.GOMAXPROCS(0)) / (l.fetch.cpu + l.decode.cpu)
}

func (o *RunOptions) limits(ctx context.Context, d *tune.Device) (l limits, err error) {
	start := CPUTime()
	rate, n, err := d.Rate(ctx, o.Engine.Lanes(), o.Batch, o.Least)
	if err != nil {
		return l, err
	}
	l.session = part{rate, (CPUTime() - start).Seconds() / float64(n)}
	var bodies [][]byte
	if bodies, l.fetch, err = fetch(ctx, o.Images, o.Max, o.Least, o.Log); err != nil {
		return l, err
	}
	start = CPUTime()
	rate, n, err = tune.Decode(ctx, bodies, o.Model.Contract.Preprocess, o.Decode, o.Decoders, o.Least)
	if err != nil {
		return l, err
	}
	l.decode = part{rate, (CPUTime() - start).Seconds() / float64(n)}
	return l, nil
}

// fetchedMost is how many images are read at most to measure reading.
const fetchedMost = 1000

// fetch reads the first images of a store, many at a time, repeatedly for at least
// that time. It returns their bytes.
func fetch(ctx context.Context, st store.Store, most int, least time.Duration, log zerolog.Logger) ([][]byte, part, error) {
	if most == 0 || most > fetchedMost {
		most = fetchedMost
	}
	m, _, err := listing.Manifest(ctx, st, listing.Pictures, most, log.Level(zerolog.ErrorLevel))
	if err != nil {
		return nil, part{}, err
	}
	defer m.Close()
	entries, err := m.Entries(nil, 0, m.Len())
	if err != nil {
		return nil, part{}, err
	}
	bodies := make([][]byte, len(entries))
	for i, e := range entries {
		bodies[i] = make([]byte, e.Size)
	}
	n := 0
	cores, start := readCores(), time.Now()
	for {
		g, ctx := errgroup.WithContext(ctx)
		g.SetLimit(shard.DefaultFetchers(0))
		for i, e := range entries {
			g.Go(func() error {
				r, _, err := st.Open(ctx, e.Path, e.ETag)
				if err != nil {
					return err
				}
				if _, err = io.ReadFull(r, bodies[i]); err != nil {
					err = fmt.Errorf("read %q from %s: %w", e.Path, st, err)
				}
				return errors.Join(err, r.Close())
			})
		}
		if err := g.Wait(); err != nil {
			return nil, part{}, err
		}
		n += len(entries)
		if took := time.Since(start); took >= least {
			return bodies, part{float64(n) / took.Seconds(), readCores().since(cores).busy / float64(n)}, nil
		}
	}
}

// scored is the result of a whole run.
type scored struct {
	part
	images                     int
	busy, decoding, committing float64
	cores                      float64 // 0 if it is not known
	binds                      telemetry.Stage
	gpu                        *device.GPUUse // nil if it is not known
}

func (o *RunOptions) score(ctx context.Context, counters *telemetry.Counters) (_ scored, err error) {
	folder, err := os.MkdirTemp("", "batchscore-bench-")
	if err != nil {
		return scored{}, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	out, err := dir.New(folder, dir.Options{})
	if err != nil {
		return scored{}, err
	}
	c := &o.Model.Contract
	job := output.Job{
		Files: listing.Pictures, Max: o.Max, ModelDigest: o.Model.Digest,
		TopK: c.Listed(5), Batch: o.Batch, Chunk: o.Chunk,
	}
	if o.Simulated {
		job.Precision = row.Simulated
	}
	computed, _ := o.Engine.(interface{ Busy() time.Duration })
	before := time.Duration(0)
	if computed != nil {
		before = computed.Busy()
	}
	sampler := telemetry.StartSampler(o.Meter)
	cpu, cores, start := CPUTime(), readCores(), time.Now()
	s, err := scorer.Run(ctx, Worker(scorer.Options{
		Images: o.Images, Out: out, Job: job, Contract: *c,
		OpenEngine: func() (scorer.Engine, error) { return kept{o.Engine}, nil },
		Decode:     o.Decode, Decoders: o.Decoders, Counters: counters, Log: o.Log,
	}))
	took := time.Since(start)
	sampler.Stop()
	if err != nil {
		return scored{}, err
	}
	if s.Images == 0 {
		return scored{}, fmt.Errorf("%s: nothing was scored", o.Images)
	}
	n, lanes := float64(s.Images), o.Engine.Lanes()
	r := scored{part: part{n / took.Seconds(), (CPUTime() - cpu).Seconds() / n}, images: s.Images}
	r.cores, r.gpu = readCores().since(cores).share(), sampler.Use()
	after := counters.Snapshot()
	r.binds, _ = telemetry.Binding(telemetry.Snapshot{}, after, took, telemetry.Pools{Decoders: o.Decoders, Lanes: lanes})
	share := func(s telemetry.Stage, goroutines int) float64 {
		return after.BusySeconds[s.String()] / took.Seconds() / float64(goroutines)
	}
	r.busy, r.decoding, r.committing = share(telemetry.Infer, lanes), share(telemetry.Decode, o.Decoders), share(telemetry.Commit, 1)
	if computed != nil {
		r.busy = (computed.Busy() - before).Seconds() / took.Seconds()
	}
	return r, nil
}

// kept is an engine that outlives a run.
type kept struct{ scorer.Engine }

func (kept) Close() error { return nil }
