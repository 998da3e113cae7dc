package main

import (
	"context"

	"github.com/rs/zerolog"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/device"
	"github.com/batchscore/batchscore/models/device/gpu"
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
	model    *models.Model
	out      store.Store
	tuning   *scorer.Tuning // nil for none
	decoder  decodeChoice
	versions map[string]string
	log      zerolog.Logger

	real *ort.Engine // once it is open, unless the device is simulated
	gpu  *gpu.GPU    // that it computes on; nil for none
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
		return openSimulated(ctx, e.o.device, e.model, world, e.log)
	}
	saturate, err := beganSaturating(ctx, e.out, e.model, e.log)
	if err != nil {
		return nil, err
	}
	e.real, e.gpu, err = openReal(ort.Options{
		Provider: e.f.provider, Lanes: e.f.lanes(), Batch: e.f.batch.n,
		LocalRank: rankOnMachine(world), LocalSize: world.LocalSize, Unplaced: !world.Placed && world.Size > 1,
		TF32: e.f.tf32, MemoryLimit: int64(e.f.gpuMemory) << 20, Saturate: saturate, Logger: e.log,
	}, e.model, e.versions)
	if err != nil {
		return nil, err
	}
	if e.tuning != nil {
		e.tuning.Shared = ort.OnCPU(e.real.Device())
		if e.gpu != nil {
			facts := e.gpu.Facts()
			e.tuning.GPU = facts.Model()
		}
	}
	return e.real, nil
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
	if chunk := e.f.chunk; chunk%batch != 0 && !ort.OnCPU(e.real.Device()) {
		event.ChunkIrregular.On(e.log).Int("chunk_size", chunk).Int("batch", batch).Str("device", e.real.Device()).
			Msg("the last batch of every chunk is not full, and a GPU computes it as if it were: --chunk should be a multiple of --batch")
	}
	err := tryOut(ctx, e.real, e.model, batch, e.f.dependentRows, e.decoder, e.log)
	if err == nil {
		e.f.bound.loaded.Store(true)
	}
	return err
}
