package main

import (
	"github.com/rs/zerolog"

	"github.com/batchscore/batchscore/models/device"
	"github.com/batchscore/batchscore/models/ort"
	"github.com/batchscore/batchscore/scorer/telemetry/event"
)

// The values of --numa.
const (
	numaAuto = "auto"
	numaOff  = "off"
)

// bind binds this process to the cores near its GPU, before decoders start.
func (f *runFlags) bind(o *runOptions) (device.Near, bool, error) {
	if f.numa == numaOff || o.simulated || f.provider != ort.CUDA && f.provider != ort.Auto {
		return device.Near{}, false, nil
	}
	return device.Bind(rankOnMachine(o.world), o.world.LocalSize)
}

// sayNear logs what came of bind.
func sayNear(log zerolog.Logger, near device.Near, bound bool, err error) {
	if err != nil {
		event.CoresAll.On(log).Err(err).Msg("this rank runs on all cores")
	}
	if bound {
		event.CoresNear.On(log).Int("numa_node", near.Node).Int("cores", near.Share).Msg("this rank runs on the cores near its GPU")
	}
}
