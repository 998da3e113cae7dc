// Package gputrial finds out whether a GPU can be used: it computes a small network on it
// and compares the result with the CPU's.
package gputrial

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"

	"github.com/rs/zerolog"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/device"
	"github.com/batchscore/batchscore/models/device/gpu"
	"github.com/batchscore/batchscore/models/graph"
	"github.com/batchscore/batchscore/models/ort"
	"github.com/batchscore/batchscore/models/preprocess"
)

// Report is what was found out about one GPU, or MIG device.
type Report struct {
	// Device is the name of the device in this process, such as "cuda:1".
	Device string `json:"device,omitempty"`
	device.GPUFacts
	Bus string `json:"bus,omitempty"`
	// Node is the NUMA node near the GPU; -1 if unknown.
	Node int `json:"numa_node"`
	// Difference is the largest one between a number of the GPU's result and the CPU's,
	// divided by the largest number.
	Difference float64 `json:"difference"`
	// Problem is why the GPU cannot be used, in one line; empty if it can.
	Problem string `json:"problem,omitempty"`
}

// Tolerance is the Difference up to which results agree. In float32 it is about 1e-6.
const Tolerance = 1e-4

// Try tries the GPU that a process of that local rank would use. The error says why
// nothing could be tried; what is wrong with the GPU is in the report.
func Try(ctx context.Context, localRank int) (Report, error) {
	gpus := device.GPUs()
	if why := gpus.Missing(); why != "" {
		return Report{}, fmt.Errorf("%w: %s", models.ErrProvider, why)
	}
	of := gpus.Of(gpus.Choose(localRank).Device)
	r := Report{GPUFacts: device.GPUFacts{Name: of.Name, UUID: of.UUID, Driver: gpus.Driver}, Bus: of.Bus, Node: of.Node}
	folder, err := os.MkdirTemp("", "batchscore-")
	if err != nil {
		return r, err
	}
	defer func() { _ = os.RemoveAll(folder) }()
	m, err := small(filepath.Join(folder, "small.onnx"))
	if err != nil {
		return r, err
	}
	library, err := ort.FindLibrary("", ort.CUDA)
	if err != nil {
		return r, err
	}
	o := ort.Options{Library: library, Lanes: 1, Batch: images, LocalRank: localRank, Logger: zerolog.Nop()}
	want, err := compute(ctx, m, o, ort.CPUDirect, nil)
	if err != nil {
		return r, fmt.Errorf("on the CPU: %w", err)
	}
	got, err := compute(ctx, m, o, ort.CUDA, &r)
	switch {
	case ctx.Err() != nil:
		return r, ctx.Err()
	case errors.Is(err, models.ErrModel):
		r.Problem = "wrong scores: " + err.Error()
	case err != nil:
		r.Problem = strings.TrimPrefix(err.Error(), models.ErrProvider.Error()+": ")
	default:
		r.compare(got, want)
	}
	return r, nil
}

// compare judges the result of the GPU.
func (r *Report) compare(got, want []float32) {
	var most, largest float64
	for i := range want {
		most = max(most, math.Abs(float64(want[i])))
		largest = max(largest, math.Abs(float64(got[i])-float64(want[i]))) // NaN stays
	}
	r.Difference = largest / most
	if r.Difference <= Tolerance {
		return
	}
	r.Problem = fmt.Sprintf("wrong scores: the largest difference from the CPU's is %.2g (allowed: %g, relative to the largest score)", r.Difference, Tolerance)
	if math.IsNaN(r.Difference) || math.IsInf(r.Difference, 0) {
		r.Difference = math.MaxFloat64 // JSON has neither
	}
}

// compute returns the scores of a fixed batch on a provider. It adds to r what is known
// of the GPU.
func compute(ctx context.Context, m *models.Model, o ort.Options, provider string, r *Report) (scores []float32, err error) {
	o.Provider = provider
	e, err := ort.Open(m, o)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	if index, folders, ok := e.GPU(); ok && r != nil {
		r.Device = e.Device()
		g, _ := gpu.Open(folders, index) // what is not known stays as the driver's files say
		r.add(g.Facts())
	}
	b, err := e.NewBatch(images)
	if err != nil {
		return nil, err
	}
	for i := range b.Pixels {
		b.Pixels[i] = byte(i*31 ^ i>>5)
	}
	if err := e.Score(ctx, b, 0, images); err != nil {
		return nil, err
	}
	return append(scores, b.Scores[:images*width]...), nil
}

// add replaces what the driver's files say by what CUDA says.
func (r *Report) add(f device.GPUFacts) {
	f.Name, f.UUID, f.Driver = cmp.Or(f.Name, r.Name), cmp.Or(f.UUID, r.UUID), cmp.Or(f.Driver, r.Driver)
	r.GPUFacts = f
}

// The small network has images of size by size pixels, one convolution, and one matrix
// product with width numbers for each image.
const (
	images = 4
	size   = 32
	planes = 16
	width  = 8
)

// small writes the network and opens it.
func small(path string) (*models.Model, error) {
	state := uint32(2463534242)
	weights := func(g *graph.Graph, name string, scale float32, shape ...int64) graph.Value {
		n := int64(1)
		for _, d := range shape {
			n *= d
		}
		v := make([]float32, n)
		for i := range v {
			state ^= state << 13
			state ^= state >> 17
			state ^= state << 5
			v[i] = (float32(state>>8)/(1<<24) - 0.5) * scale
		}
		return g.Weights(name, func() ([]float32, error) { return v, nil }, shape...)
	}
	g := graph.New("small")
	x := g.Input("images", graph.Uint8, graph.Dynamic, size, size, 3)
	x = g.Cast("pixels", x, graph.Float32)
	x = g.Div("scaled", x, g.Scalar("white", 255))
	x = g.Transpose("planes", x, 0, 3, 1, 2)
	x = g.Conv("conv", x, weights(g, "kernel", 1, planes, 3, 3, 3), weights(g, "conv/bias", 1, planes), graph.Window{Stride: [2]int64{2, 2}})
	x = g.Relu("relu", x)
	x = g.Flatten("row", x)
	x = g.Gemm("dense", x, weights(g, "matrix", 0.1, x.Shape[1], width), weights(g, "dense/bias", 1, width))
	g.Output("scores", x)
	body, err := g.Bytes()
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(path, body, 0o600); err != nil {
		return nil, err
	}
	return models.Open(path, models.OpenOptions{Contract: &models.Contract{
		Name: "small", Task: "embed", Classes: width,
		Preprocess: preprocess.Spec{Width: size, Height: size, Layout: preprocess.HWC, DType: preprocess.Uint8,
			Resize: preprocess.PillowBilinear, Fit: preprocess.Stretch},
	}})
}
