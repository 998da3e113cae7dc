package main

import (
	"os"
	"path/filepath"

	"github.com/batchscore/batchscore/models/device"
	"github.com/batchscore/batchscore/models/ort"
	"github.com/batchscore/batchscore/scorer"
)

// tuning returns what the worker should measure, or nil if no flag is auto.
func (f *runFlags) tuning() *scorer.Tuning {
	if !f.batch.auto && !f.sessions.auto {
		return nil
	}
	cache := f.tuneCache
	if cache == "" {
		// Without a home folder there is no cache folder, and nothing is kept.
		if folder, err := os.UserCacheDir(); err == nil {
			cache = filepath.Join(folder, "batchscore")
		}
	}
	return &scorer.Tuning{Batch: f.batch.auto, Sessions: f.sessions.auto, Processor: device.Processor(), Cache: cache}
}

// maxSessions is the largest number of sessions worth trying on a GPU.
const maxSessions = 3

// lanes returns how many simultaneous calls the engine must be ready for; 0 means
// its default.
func (f *runFlags) lanes() int {
	gpu := f.provider == ort.CUDA || f.provider == ort.Auto && device.GPUs().Visible() > 0
	if f.sessions.auto && gpu {
		return maxSessions
	}
	return f.sessions.n
}
