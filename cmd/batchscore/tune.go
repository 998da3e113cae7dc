package main

import (
	"os"
	"path/filepath"

	"github.com/batchscore/batchscore/models/device"
	"github.com/batchscore/batchscore/models/ort"
	"github.com/batchscore/batchscore/scorer"
)

// tuning is what the worker is to measure; nil where nothing is auto.
func (f *runFlags) tuning(cores int) *scorer.Tuning {
	if !f.batch.auto && !f.sessions.auto {
		return nil
	}
	cache := f.tuneCache
	if cache == "" {
		// Without a home there is no cache folder, and nothing is kept.
		if folder, err := os.UserCacheDir(); err == nil {
			cache = filepath.Join(folder, "batchscore")
		}
	}
	return &scorer.Tuning{Batch: f.batch.auto, Sessions: f.sessions.auto, Cores: cores, Processor: device.Processor(), Cache: cache}
}

// mostSessions are worth trying on a GPU.
const mostSessions = 3

// lanes is how many calls the engine must be ready for; 0 is its default.
func (f *runFlags) lanes() int {
	gpu := f.provider == ort.CUDA || f.provider == ort.TensorRT || f.provider == ort.Auto && device.GPUs().Visible() > 0
	if f.sessions.auto && gpu {
		return mostSessions
	}
	return f.sessions.n
}
