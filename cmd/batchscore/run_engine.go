package main

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/rs/zerolog"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/device"
	"github.com/batchscore/batchscore/models/device/gpu"
	"github.com/batchscore/batchscore/models/joint"
	"github.com/batchscore/batchscore/models/ort"
	"github.com/batchscore/batchscore/scorer"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/telemetry/event"
	"github.com/batchscore/batchscore/shard"
)

// runEngine opens the engine of a run and tries it out.
type runEngine struct {
	f        *runFlags
	o        *runOptions
	models   []joint.Model
	contract *models.Contract // of all of them
	out      store.Store
	tuning   *scorer.Tuning // nil for none
	decoder  decodeChoice
	versions map[string]string
	log      zerolog.Logger

	real []*ort.Engine // of each model, once they are open, unless the device is simulated
	gpu  *gpu.GPU      // that they compute on; nil for none
}

// rankOnMachine returns the number by which a rank chooses its GPU.
func rankOnMachine(world shard.World) int {
	if !world.Placed {
		return world.Rank
	}
	return world.LocalRank
}

// open opens the engine.
func (e *runEngine) open(ctx context.Context) (scorer.Engine, error) {
	world := e.o.world
	if e.tuning != nil {
		defer func() { e.tuning.Cores = e.cores() }()
	}
	if e.o.simulated {
		return e.openSimulated(ctx)
	}
	e.real, e.gpu = nil, nil // those of a time before, which are closed
	var parts []joint.Part
	for _, m := range e.models {
		one := joint.Single(m.Model)
		saturate, err := beganSaturating(ctx, e.out, m.Model, e.log)
		if err != nil {
			return nil, e.closeAll(parts, err)
		}
		real, g, err := openReal(ort.Options{
			Provider: e.f.provider, Lanes: e.f.lanes(), Batch: e.f.batch.n * m.Contract.Preprocess.Views(),
			LocalRank: rankOnMachine(world), LocalSize: world.LocalSize, Unplaced: !world.Placed && world.Size > 1,
			TF32: e.f.tf32, MemoryLimit: int64(e.f.gpuMemory) << 20 / int64(len(e.models)), Saturate: saturate, Logger: e.log,
		}, one, e.versions)
		if err != nil {
			return nil, e.closeAll(parts, err)
		}
		e.real, parts = append(e.real, real), append(parts, joint.Views(real, &m.Contract))
		e.gpu = cmp.Or(e.gpu, g)
	}
	if e.tuning != nil {
		e.tuning.Shared = ort.OnCPU(e.real[0].Device())
		if e.gpu != nil {
			facts := e.gpu.Facts()
			e.tuning.GPU = facts.Model()
		}
	}
	return joint.Tiles(joint.Join(e.models, parts), e.contract), nil
}

// openSimulated opens a simulated device for each model, which share its time.
func (e *runEngine) openSimulated(ctx context.Context) (scorer.Engine, error) {
	var parts []joint.Part
	for _, m := range e.models {
		part, err := openSimulated(ctx, e.o.device, joint.Single(m.Model), e.o.world, e.log)
		if err != nil {
			return nil, e.closeAll(parts, err)
		}
		parts = append(parts, joint.Views(part, &m.Contract))
	}
	return joint.Tiles(joint.Join(e.models, parts), e.contract), nil
}

// closeAll closes engines that are of no use, and returns err.
func (e *runEngine) closeAll(parts []joint.Part, err error) error {
	e.real = nil
	for _, p := range slices.Backward(parts) {
		err = errors.Join(err, p.Close())
	}
	return err
}

// cores counts the cores of this rank. Opening the engine may change them: a rank that was
// bound to those near a GPU computes on the CPU after all.
func (e *runEngine) cores() int { return device.CPUs(e.o.world.LocalSize).Usable }

// decoders returns how many goroutines decode images; 0 leaves it to measuring.
func (e *runEngine) decoders() int {
	if e.tuning != nil && !e.f.on() {
		return 0
	}
	cores := e.cores()
	n := e.f.decodersFor(cores)
	event.DecodersCount.On(e.log).Int("cores", cores).Int("decoders", n).Msg("decoders counted")
	return n
}

// device returns the GPU of the engine that is open, nil if it computes on none.
func (e *runEngine) device() scorer.GPU {
	if e.gpu == nil {
		return nil // and not an interface that holds nil
	}
	return e.gpu
}

// tryOut returns an error if the engine cannot score the model in batches of that many
// images.
func (e *runEngine) tryOut(ctx context.Context, batch int) error {
	if e.o.simulated {
		e.f.bound.loaded.Store(true)
		return nil // it computes nothing
	}
	if chunk := e.f.chunk; chunk%batch != 0 && !ort.OnCPU(e.real[0].Device()) {
		event.ChunkIrregular.On(e.log).Int("chunk_size", chunk).Int("batch", batch).Str("device", e.real[0].Device()).
			Msg("the last batch of every chunk is not full, and a GPU computes it as if it were: --chunk should be a multiple of --batch")
	}
	for i, m := range e.models {
		if err := tryOut(ctx, e.real[i], joint.Single(m.Model), batch*m.Contract.Preprocess.Views(), e.f.dependentRows, e.decoder, e.log); err != nil {
			return err
		}
	}
	e.f.bound.loaded.Store(true)
	return nil
}
