package main

import (
	"fmt"

	"github.com/rs/zerolog"

	"github.com/batchscore/batchscore/bench/result"
	"github.com/batchscore/batchscore/models/device"
	"github.com/batchscore/batchscore/models/device/gpu"
	"github.com/batchscore/batchscore/models/ort"
	"github.com/batchscore/batchscore/scorer/telemetry"
	"github.com/batchscore/batchscore/scorer/telemetry/event"
)

// gpuOf returns the GPU that an engine computes on, nil if it computes on none. What
// cannot be found out about it is left out, and logged once.
func gpuOf(e *ort.Engine, log zerolog.Logger) *gpu.GPU {
	index, folders, ok := e.GPU()
	if !ok {
		return nil
	}
	g, err := gpu.Open(folders, index)
	if err != nil {
		event.GPUUnknown.On(log).Err(err).Str("device", e.Device()).Msg("not everything is known of the GPU, and its figures are left out")
	}
	return g
}

// gpuName returns the name of a GPU; empty if g is nil or has none.
func gpuName(g *gpu.GPU) string {
	if g == nil {
		return ""
	}
	return g.Facts().Name
}

// meterOf returns g; nil if that is nil.
func meterOf(g *gpu.GPU) telemetry.Meter {
	if g == nil {
		return nil
	}
	return g
}

// logGPU adds what a GPU is to a line of the log.
func logGPU(e *zerolog.Event, g *gpu.GPU) *zerolog.Event {
	if g == nil {
		return e
	}
	f := g.Facts()
	for _, field := range []struct{ name, value string }{
		{"gpu_name", f.Name}, {"gpu_uuid", f.UUID}, {"compute_capability", f.Capability},
		{"nvidia_driver", f.Driver}, {"cuda", f.CUDA}, {"cudnn", f.CUDNN},
	} {
		if field.value != "" {
			e = e.Str(field.name, field.value)
		}
	}
	if f.MemoryMB > 0 {
		e = e.Int("gpu_memory_mb", f.MemoryMB)
	}
	return e
}

// idleGPU returns what there is to say of a GPU that did not always compute in the last
// round, although its calls were the bottleneck.
func idleGPU(binds telemetry.Stage, samples []result.Sample) string {
	for _, v := range samples[len(samples)-1].Values {
		busy := v.Value
		if c := (telemetry.Condition{Binds: binds, GPU: &device.GPUUse{Busy: &busy}}); v.Unit == "gpu-busy" && c.Idles() {
			return fmt.Sprintf(" The GPU was busy for %.0f%% of the time: its calls wait for copies or for each other.", 100*busy)
		}
	}
	return ""
}
