package ort

import "github.com/batchscore/batchscore/models/ort/internal/cuda"

// SleepOnGPU makes threads that wait for a GPU sleep, as CUDA numbers those that are
// visible; CUDA's default is that they poll. It must be called before anything in this
// process uses the GPU. Open does so, which is too late for whoever uses it before.
func SleepOnGPU(index int) error { return cuda.Block(index) }
