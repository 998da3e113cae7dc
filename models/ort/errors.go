package ort

import (
	"errors"
	"fmt"
	"strings"

	"github.com/batchscore/batchscore/models"
)

// outOfMemory holds what ONNX Runtime, CUDA, cuDNN, cuBLAS and the C++ library
// say when memory is short, in lower case.
var outOfMemory = []string{
	"out of memory",
	"failed to allocate memory",
	"smaller than requested bytes", // an arena at its limit
	"status_alloc_failed",          // cudnn, cublas
	"bad_alloc",
	"cudaerrormemoryallocation",
}

// classify wraps models.ErrOutOfMemory around errors of a run that a smaller
// batch may mend.
func classify(err error) error {
	if err == nil {
		return nil
	}
	text := strings.ToLower(err.Error())
	for _, phrase := range outOfMemory {
		if strings.Contains(text, phrase) {
			return fmt.Errorf("%w: %w", models.ErrOutOfMemory, err)
		}
	}
	return err
}

// gpuFaults are how failures of CUDA and its libraries begin, in lower case.
var gpuFaults = []string{"cuda failure", "cuda error", "cudnn failure", "cublas failure", "tensorrt ep", "no kernel image"}

// explainProbe says what it means that the probe batch failed: the first run
// is where a GPU too old for the build shows itself.
func explainProbe(err error) error {
	if errors.Is(err, models.ErrOutOfMemory) {
		return err
	}
	text := strings.ToLower(err.Error())
	for _, phrase := range gpuFaults {
		if strings.Contains(text, phrase) {
			return fmt.Errorf("%w: the probe batch failed: %w; %s", models.ErrProvider, err, gpuGenerations)
		}
	}
	return fmt.Errorf("%w: the probe batch failed: %w", models.ErrModel, err)
}
