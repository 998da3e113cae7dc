package ort

import (
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
