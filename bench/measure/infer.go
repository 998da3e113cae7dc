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
	"github.com/batchscore/batchscore/scorer/tune"
)

// InferOptions are the points that Infer measures.
type InferOptions struct {
	Model *models.Model
	// Engine is how to open the engine; the sweep sets its Lanes and Threads.
	Engine ort.Options
	// Sessions are numbers of Score calls at a time, Threads numbers of ONNX
	// Runtime's threads for each call, Batches numbers of images in a call.
	Sessions, Threads, Batches []int
	// MultiplyAdds is the number for one image; 0 if it is not known.
	MultiplyAdds int64
	// Each of the Rounds gives a sample of each point, measured for at least Least.
	Rounds int
	Least  time.Duration
	// GPU returns what reads the GPU of an engine that was opened, and its name; nil and
	// empty if it computes on none. A nil function means none.
	GPU func(*ort.Engine) (telemetry.Meter, string)
}

// Infer measures every point of a sweep in every round. Before them it measures a
// matrix product, which is the peak of that round. The units are images/s, MAC/s
// (multiply-adds per second) and of-peak.
func Infer(ctx context.Context, o InferOptions) (samples []result.Sample, err error) {
	devices := make([]*tune.Device, len(o.Threads))
	meters := make([]telemetry.Meter, len(o.Threads))
	var device string
	for i, threads := range o.Threads {
		opt := o.Engine
		opt.Lanes, opt.Threads = slices.Max(o.Sessions), threads
		e, err := ort.Open(o.Model, opt)
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, e.Close()) }()
		gpu := ""
		if o.GPU != nil {
			meters[i], gpu = o.GPU(e)
		}
		devices[i], device = tune.NewDevice(e, o.Model.Contract, slices.Max(o.Batches)), Device(e.Device(), gpu)
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
					sampler := telemetry.StartSampler(meters[i])
					rate, n, err := devices[i].Rate(ctx, sessions, batch, o.Least)
					sampler.Stop()
					if err != nil {
						return nil, fmt.Errorf("%d sessions of %d threads, batch %d: %w", sessions, threads, batch, err)
					}
					if round == 0 {
						continue
					}
					s := result.Sample{
						Name: "Infer", Iterations: n,
						Keys: []result.Key{result.K("model", o.Model.Contract.Name), result.K("device", device),
							result.K("sessions", sessions), result.K("threads", threads), result.K("batch", batch)},
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
