package gpucheck

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/device"
	"github.com/batchscore/batchscore/models/device/gpu"
	"github.com/batchscore/batchscore/models/ort"
	"github.com/batchscore/batchscore/scorer/telemetry"
	"github.com/batchscore/batchscore/scorer/telemetry/event"
	"github.com/batchscore/batchscore/scorer/tune"
)

// Plan is what a child process measures of one model. In JSON it is the argument of the
// hidden command "gpu-check measure".
type Plan struct {
	Model    string `json:"model"`
	Provider string `json:"provider"`
	// Lanes is the most calls at the same time.
	Lanes int `json:"lanes"`
	// LocalRank chooses the GPU, as the rank among LocalSize processes of a machine does.
	LocalRank int `json:"local_rank,omitempty"`
	LocalSize int `json:"local_size,omitempty"`
	// Calls are made once each, one after the other; then Cells are measured.
	Calls []Call `json:"calls,omitempty"`
	Cells []Cell `json:"cells,omitempty"`
	// TF32 and NHWC are how convolutions are computed.
	TF32 bool `json:"tf32,omitempty"`
	NHWC bool `json:"nhwc,omitempty"`
	// Within is the time after which no cell is begun; 0 is none.
	Within time.Duration `json:"within,omitempty"`
	// Least is how long each cell is measured.
	Least time.Duration `json:"least,omitempty"`
}

// Call is one call with some images, in a batch that has room for more.
type Call struct {
	Capacity int `json:"capacity"`
	Images   int `json:"images"`
}

// Cell is a point of a sweep: batches of a size, in a number of calls at the same time.
type Cell struct {
	Batch    int `json:"batch"`
	Sessions int `json:"sessions"`
}

// Reading is one thing that a child has measured: a line of its standard output.
type Reading struct {
	Device string `json:"device"`
	// GPU is which GPU that is, Use what it reported meanwhile; nil if it is not known.
	GPU  *device.GPUFacts `json:"gpu,omitempty"`
	Use  *device.GPUUse   `json:"use,omitempty"`
	Call *Call            `json:"call,omitempty"`
	Cell *Cell            `json:"cell,omitempty"`
	// Seconds is how long a call took; Rate is in images/s.
	Seconds float64 `json:"seconds,omitempty"`
	Rate    float64 `json:"rate,omitempty"`
	// Images is how many images the rate is a mean over.
	Images int `json:"images,omitempty"`
	// Error says why a cell could not be measured, such as too little memory.
	Error string `json:"error,omitempty"`
}

// Measure carries out a plan in JSON, and writes each Reading in JSON, on a line of its
// own, once it is known.
func Measure(ctx context.Context, plan string, out io.Writer, o ort.Options) (err error) {
	var p Plan
	began := time.Now()
	if err := json.Unmarshal([]byte(plan), &p); err != nil {
		return fmt.Errorf("read the plan: %w", err)
	}
	m, err := models.Open(p.Model, models.OpenOptions{})
	if err != nil {
		return err
	}
	o.Provider, o.Lanes, o.LocalRank, o.LocalSize = p.Provider, p.Lanes, p.LocalRank, p.LocalSize
	o.TF32, o.NHWC = p.TF32, p.NHWC
	e, err := ort.Open(m, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	of, facts := meterOf(e, o)
	write := json.NewEncoder(out).Encode
	devices := map[int]*tune.Device{}
	sized := func(capacity int) *tune.Device {
		if devices[capacity] == nil {
			devices[capacity] = tune.NewDevice(e, m.Contract, capacity)
			devices[capacity].Serial = true
		}
		return devices[capacity]
	}
	batches := map[int]*models.Batch{}
	for _, c := range p.Calls {
		if batches[c.Capacity] == nil {
			if batches[c.Capacity], err = e.NewBatch(c.Capacity); err != nil {
				return err
			}
		}
		start := time.Now()
		if err := e.Score(ctx, batches[c.Capacity], 0, c.Images); err != nil {
			return err
		}
		if err := write(Reading{Device: e.Device(), GPU: facts, Call: &c, Seconds: time.Since(start).Seconds()}); err != nil {
			return err
		}
	}
	for _, c := range p.Cells {
		if p.Within > 0 && time.Since(began) > p.Within {
			return nil
		}
		r := Reading{Device: e.Device(), GPU: facts, Cell: &c}
		// The first calls of a batch size prepare it.
		_, _, err := sized(c.Batch).Rate(ctx, c.Sessions, c.Batch, 0)
		if err == nil {
			sampler := telemetry.StartSampler(of)
			r.Rate, r.Images, err = sized(c.Batch).Rate(ctx, c.Sessions, c.Batch, p.Least)
			sampler.Stop()
			r.Use = sampler.Use()
		}
		if err != nil && !errors.Is(err, models.ErrOutOfMemory) {
			return err
		}
		if err != nil {
			r.Error = err.Error()
		}
		if err := write(r); err != nil {
			return err
		}
	}
	return nil
}

// meterOf returns what reads the GPU of an engine, and which one that is; nil if it
// computes on none.
func meterOf(e *ort.Engine, o ort.Options) (telemetry.Meter, *device.GPUFacts) {
	index, folders, ok := e.GPU()
	if !ok {
		return nil, nil
	}
	g, err := gpu.Open(folders, index)
	if err != nil {
		event.GPUUnmeasured.On(o.Logger).Err(err).Msg("not everything is known of the GPU")
	}
	facts := g.Facts()
	return g, &facts
}

// readings runs a child that carries out a plan. It returns what the child has measured,
// also with an error.
func (s *Session) readings(ctx context.Context, p Plan) ([]Reading, error) {
	p.Provider = ort.CUDA
	text, err := json.Marshal(p)
	if err != nil {
		return nil, err
	}
	e, err := s.must(ctx, 0, nil, "gpu-check", "measure", string(text))
	var all []Reading
	d := json.NewDecoder(strings.NewReader(e.stdout))
	for {
		var r Reading
		if d.Decode(&r) != nil {
			return all, err
		}
		all = append(all, r)
	}
}

// calls returns how long calls of the model take, one after the other.
func (s *Session) calls(ctx context.Context, calls []Call) ([]time.Duration, error) {
	all, err := s.readings(ctx, Plan{Model: s.ModelFile, Lanes: 1, Calls: calls})
	if err != nil {
		return nil, err
	}
	if len(all) != len(calls) {
		return nil, fmt.Errorf("%d of %d calls were measured", len(all), len(calls))
	}
	took := make([]time.Duration, len(all))
	for i, r := range all {
		took[i] = time.Duration(r.Seconds * float64(time.Second))
	}
	return took, nil
}
