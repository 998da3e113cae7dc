package ort

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/ort/internal/lanes"
)

// outOfMemory are phrases, in lower case, in the errors of ONNX Runtime, CUDA,
// cuDNN, cuBLAS and the C++ library when memory is short.
var outOfMemory = []string{
	"out of memory",
	"out_of_memory",
	"failed to allocate memory",
	"smaller than requested bytes",       // an arena at its limit
	"failed to find a free memory block", // an arena in pieces
	"alloc_failed",                       // cudnn before 9, cublas, cufft
	"allocation_failed",                  // cudnn
	"bad_alloc",
	"cudaerrormemoryallocation",
}

// unclear are phrases, in lower case, in errors that are about memory or about
// anything else. cuDNN's front end says no more than this of what its back end reports.
var unclear = []string{"cudnn_backend_api_failed"}

// classify wraps models.ErrOutOfMemory around errors of a run that a smaller batch
// may avoid.
func classify(err error) error {
	if err == nil {
		return nil
	}
	text := strings.ToLower(err.Error())
	in := func(phrase string) bool { return strings.Contains(text, phrase) }
	switch {
	case slices.ContainsFunc(outOfMemory, in):
		return fmt.Errorf("%w: %w", models.ErrOutOfMemory, err)
	case slices.ContainsFunc(unclear, in):
		return &lanes.UnclearError{Err: err}
	}
	return err
}

// nothingFits explains that the smallest batch failed for want of memory, with the
// device to itself. It wraps models.ErrNothingFits.
func (e *Engine) nothingFits(err error) error {
	return fmt.Errorf("%w: %w; %s", models.ErrNothingFits, plain(err, e.version), e.target.makeRoom())
}

// makeRoom says how much memory a device has and what to do if that is too little.
func (t target) makeRoom() string {
	if t.provider == CPU {
		return "give the process more memory, or use a smaller model"
	}
	const remedy = "stop other programs that use this GPU, or choose another one with CUDA_VISIBLE_DEVICES," +
		" or a model of 16 bits, made by 'batchscore models convert --precision fp16'"
	free, total, err := t.memory()
	if err != nil {
		return remedy
	}
	return fmt.Sprintf("%s of %s:%d are free once this process has given back what it can: %s",
		share(free, total), t.provider, t.index, remedy)
}

// share returns a part of a GPU's memory and the whole, both in the unit that suits the
// whole.
func share(part, whole int64) string {
	const mb, gb = 1e6, 1e9
	if whole < 10*gb {
		return fmt.Sprintf("%.0f of the %.0f MB", float64(part)/mb, float64(whole)/mb)
	}
	return fmt.Sprintf("%.1f of the %.1f GB", float64(part)/gb, float64(whole)/gb)
}

// plainError is an error of ONNX Runtime in plain words.
type plainError struct {
	text string
	err  error
}

func (e *plainError) Error() string { return e.text }
func (e *plainError) Unwrap() error { return e.err }

var (
	tooNewIR    = regexp.MustCompile(`Unsupported model IR version: (\d+), max supported IR version: (\d+)`)
	tooNewOpset = regexp.MustCompile(`Opset (\d+) is under development.*domain (\S+) is till opset (\d+)`)
	// sourcePlace matches the place in ONNX Runtime's source that found an error.
	sourcePlace = regexp.MustCompile(`/\S+\.(?:cc|h|cu):\d+ [^()]*(?:\([^()]*\))+(?: const)? `)
)

// plain says what an error of ONNX Runtime of that version means, without places in
// its source.
func plain(err error, version string) error {
	text := err.Error()
	runtime := strings.TrimSpace("ONNX Runtime " + version)
	switch ir, opset := tooNewIR.FindStringSubmatch(text), tooNewOpset.FindStringSubmatch(text); {
	case ir != nil:
		text = fmt.Sprintf("it has IR version %s, and %s knows up to %s: update ONNX Runtime,"+
			" or export the model with an IR version of %s and an opset of that time", ir[1], runtime, ir[2], ir[2])
	case opset != nil:
		text = fmt.Sprintf("it uses opset %s of %s, and %s knows up to %s: update ONNX Runtime, or export the model with opset %s",
			opset[1], opset[2], runtime, opset[3], opset[3])
	default:
		text = strings.TrimSpace(sourcePlace.ReplaceAllString(text, ""))
	}
	if text == err.Error() {
		return err
	}
	return &plainError{text, err}
}
