package measure

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/batchscore/batchscore/bench/result"
	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/ort"
	"github.com/batchscore/batchscore/scorer/telemetry"
	"github.com/batchscore/batchscore/scorer/telemetry/event"
	"github.com/batchscore/batchscore/scorer/tune"
)

// InferOptions are the points that Infer measures.
type InferOptions struct {
	Model *models.Model
	// Engine is how to open the engine; the sweep sets its Lanes and Threads.
	Engine ort.Options
	// Sessions are numbers of Score calls at a time, Threads numbers of ONNX
	// Runtime's threads for each call, Batches numbers of images in a call. An empty
	// list is what suits the device. A GPU has no use for Threads.
	Sessions, Threads, Batches []int
	// Cores is the number of cores that an empty list means.
	Cores int
	// MultiplyAdds is the number for one image; 0 if it is not known.
	MultiplyAdds int64
	// Each of the Rounds gives a sample of each point, measured for at least Least.
	Rounds int
	Least  time.Duration
	// GPU returns what reads the GPU of an engine that was opened, and its name; nil and
	// empty if it computes on none. A nil function means none.
	GPU func(*ort.Engine) (telemetry.Meter, string)
}

// complete fills in the lists that are empty.
func (o *InferOptions) complete(gpu bool) {
	sessions, threads, batches := slices.Compact([]int{1, max(o.Cores, 1)}), slices.Compact([]int{1, max(o.Cores, 1)}), []int{1, 4, 16}
	if gpu {
		sessions, batches = []int{1, 2}, []int{8, 32, 128}
	}
	for list, value := range map[*[]int][]int{&o.Sessions: sessions, &o.Threads: threads, &o.Batches: batches} {
		if len(*list) == 0 {
			*list = value
		}
	}
	if gpu {
		o.Threads = o.Threads[:1]
	}
}

// Infer measures every point of a sweep in every round. Before them it measures a
// matrix product, which is the peak of that round. The units are images/s, MAC/s
// (multiply-adds per second) and of-peak. On a GPU, one engine is opened, and samples
// have no threads.
func Infer(ctx context.Context, o InferOptions) (samples []result.Sample, err error) {
	var devices []*tune.Device
	var meters []telemetry.Meter
	var device string
	onGPU := false
	for i := 0; i == 0 || i < len(o.Threads); i++ {
		opt := o.Engine
		opt.Lanes = max(o.Cores, 2) // enough for any device, as it is not known yet
		if len(o.Sessions) > 0 {
			opt.Lanes = slices.Max(o.Sessions)
		}
		if len(o.Threads) > 0 {
			opt.Threads = o.Threads[i]
		}
		e, err := ort.Open(o.Model, opt)
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, e.Close()) }()
		if i == 0 {
			if onGPU = !ort.OnCPU(e.Device()); onGPU && len(o.Threads) > 0 {
				event.ThreadsIgnored.On(o.Engine.Logger).Str("device", e.Device()).Msg("a GPU has no use for threads of ONNX Runtime: their numbers are ignored")
			}
			o.complete(onGPU)
		}
		var meter telemetry.Meter
		name := ""
		if o.GPU != nil {
			meter, name = o.GPU(e)
		}
		d := tune.NewDevice(e, o.Model.Contract, slices.Max(o.Batches))
		d.Serial = onGPU
		devices, meters, device = append(devices, d), append(meters, meter), Device(e.Device(), name)
	}
	best, err := openProduct(o.Engine)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, best.close()) }()
	for round := range o.Rounds + 1 { // the first warms up
		peak, err := best.multiplyAdds(ctx, o.Least)
		if err != nil {
			return nil, err
		}
		if round > 0 {
			samples = append(samples, result.Sample{Name: "Peak", Keys: []result.Key{result.K("device", device)},
				Values: []result.Value{{Value: peak, Unit: "MAC/s"}}})
		}
		for i, threads := range o.Threads {
			for _, sessions := range o.Sessions {
				for _, batch := range o.Batches {
					if onGPU { // its libraries make plans when the batch size changes
						if _, _, err := devices[i].Rate(ctx, sessions, batch, 0); err != nil {
							return nil, fmt.Errorf("%d sessions, batch %d: %w", sessions, batch, err)
						}
					}
					sampler := telemetry.StartSampler(meters[i])
					rate, n, err := devices[i].Rate(ctx, sessions, batch, o.Least)
					sampler.Stop()
					if err != nil {
						return nil, fmt.Errorf("%d sessions of %d threads, batch %d: %w", sessions, threads, batch, err)
					}
					if round == 0 {
						continue
					}
					keys := []result.Key{result.K("model", o.Model.Contract.Name), result.K("device", device), result.K("sessions", sessions)}
					if !onGPU {
						keys = append(keys, result.K("threads", threads))
					}
					s := result.Sample{
						Name: "Infer", Iterations: n,
						Keys:   append(keys, result.K("batch", batch)),
						Values: []result.Value{{Value: rate, Unit: "images/s"}},
					}
					if work := rate * float64(o.MultiplyAdds); work > 0 {
						s.Values = append(s.Values, result.Value{Value: work, Unit: "MAC/s"}, result.Value{Value: work / peak, Unit: "of-peak"})
					}
					s.Values = append(s.Values, gpuValues(sampler.Use(), float64(n))...)
					samples = append(samples, s)
				}
			}
		}
	}
	return samples, nil
}
