package ort

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/device"
	"github.com/batchscore/batchscore/models/ort/internal/cuda"
	"github.com/batchscore/batchscore/scorer/telemetry/event"
)

// target is the provider and the GPU on which a session runs.
type target struct {
	provider string
	// index counts among the GPUs that this process sees.
	index int
	// arithmetic is the parts of Engine.Device after the GPU.
	arithmetic string
	// direct leaves convolutions to ONNX Runtime.
	direct bool
	// library is the path of ONNX Runtime, on a GPU.
	library string
}

func (t target) String() string {
	if t.provider == CPU {
		return CPU
	}
	return fmt.Sprintf("%s:%d%s", t.provider, t.index, t.arithmetic)
}

// arenas names the memory of the device, as ortc_shrink takes it.
func (t target) arenas() string {
	if t.provider == CPU {
		return "cpu:0"
	}
	return fmt.Sprintf("gpu:%d", t.index)
}

// memory returns how much memory of a GPU that a session uses is free, and how much it
// has, in bytes. If CUDA cannot be used any more, the error says why.
func (t target) memory() (free, total int64, err error) {
	r, err := cuda.Open(providerFile(t.library, CUDA), t.index)
	if err != nil {
		return 0, 0, err
	}
	return r.Memory()
}

// providerError marks an error of ONNX Runtime about setting up a provider.
type providerError struct{ err error }

func (e *providerError) Error() string { return e.err.Error() }
func (e *providerError) Unwrap() error { return e.err }

// choose resolves Auto and picks the GPU. A requested provider that is not available
// is an error that says what is missing. If Auto finds a GPU, the target is that GPU even
// if the error says why it cannot be used.
func choose(opt Options, library string) (target, error) {
	switch opt.Provider {
	case CPU:
		return target{provider: CPU}, nil
	case CPUDirect:
		return target{provider: CPU, direct: true}, nil
	case CUDA:
		return chooseGPU(opt, library)
	case Auto, "":
		gpus := device.GPUs()
		has := !errors.Is(checkFile(providerFile(library, CUDA)), fs.ErrNotExist)
		switch {
		case gpus.Mistaken():
			event.GPUUnusable.On(opt.Logger).Str("error", gpus.Missing()).Msg("scoring on the CPU: there is a GPU, but it cannot be used")
		case gpus.Visible() == 0:
		case !has:
			event.GPUUnusable.On(opt.Logger).Int("gpus", gpus.Visible()).Str("library", library).
				Msg("scoring on the CPU: there is a GPU, but this ONNX Runtime is built without CUDA")
		default:
			return chooseGPU(opt, library)
		}
		return target{provider: CPU}, nil
	}
	return target{}, fmt.Errorf("%w: unknown provider %q; it is one of %s", models.ErrProvider, opt.Provider,
		strings.Join([]string{Auto, CPU, CPUDirect, CUDA}, ", "))
}

// chooseGPU picks the GPU of this rank. It sets the environment variables by which CUDA
// finds it, before anything loads CUDA.
func chooseGPU(opt Options, library string) (target, error) {
	t := target{provider: CUDA, library: library}
	gpus := device.GPUs()
	if gpus.Visible() > 0 {
		choice := gpus.Choose(opt.LocalRank)
		if err := choice.Apply(); err != nil {
			return t, err
		}
		t.index = choice.Index
		sayChoice(opt, gpus, choice)
	}
	return t, available(CUDA, library, gpus)
}

// sayChoice logs how the GPU of this rank was chosen if there was a choice that may not be
// what the user expects.
func sayChoice(opt Options, gpus device.GPUList, choice device.Choice) {
	if gpus.Shared(opt.LocalSize) {
		event.GPUShared.On(opt.Logger).Int("processes", opt.LocalSize).Int("gpus", gpus.Visible()).
			Msg("processes of this machine share a GPU: start one per GPU")
	}
	if opt.Unplaced && gpus.Visible() > 1 {
		event.GPUByRank.On(opt.Logger).Int("gpus", gpus.Visible()).Int("gpu", opt.LocalRank%gpus.Visible()).
			Msg("nothing says which rank this is on its machine: the GPU is the rank modulo the number of GPUs")
	}
	if choice.Only != "" {
		event.GPUPartition.On(opt.Logger).Str("mig", choice.Only).Int("gpus", gpus.Visible()).
			Msg("CUDA shows a process one MIG device: this rank has set " + device.VisibleVariable + " to its own")
	}
}

// explain says what an error of creating the session means.
func (t target) explain(model string, err error) error {
	var p *providerError
	switch {
	case errors.Is(classify(err), models.ErrOutOfMemory):
		cause := err
		if t.provider != CPU {
			cause = brief(err)
		}
		err = fmt.Errorf("%w: %s on %s: %w; %s", models.ErrNothingFits, model, t, classify(cause), t.makeRoom())
		if t.provider == CPU {
			err = fmt.Errorf("%w: %w", models.ErrHostMemory, err)
		}
		return err
	case errors.Is(err, models.ErrModel):
		return err
	case t.provider == CPU && errors.As(err, &p):
		return fmt.Errorf("%w: %s: %w", models.ErrProvider, t, err)
	case t.provider != CPU:
		return t.explainGPU("", err)
	}
	return fmt.Errorf("%w: %s: %w", models.ErrModel, model, err)
}

// shared names the library through which ONNX Runtime loads every provider.
const shared = "shared"

// libraries maps providers to their shared libraries.
var libraries = map[string]string{
	shared: "libonnxruntime_providers_shared.so",
	CUDA:   "libonnxruntime_providers_cuda.so",
}

// providerFile returns the file of a provider, which ONNX Runtime looks for next to
// its own.
func providerFile(library, provider string) string {
	if resolved, err := filepath.EvalSymlinks(library); err == nil {
		library = resolved
	}
	return filepath.Join(filepath.Dir(library), libraries[provider])
}

// available lists everything that is missing for a provider in one error, which
// wraps models.ErrProvider.
func available(provider, library string, gpus device.GPUList) error {
	var missing []string
	if gpus.Visible() == 0 {
		missing = append(missing, gpus.Missing())
	}
	files := lacksFiles(provider, library)
	missing = append(missing, files...)
	if len(files) == 0 && gpus.Visible() > 0 { // else the libraries would take time and memory for nothing
		if err := preload(library); err != nil {
			missing = append(missing, strings.ReplaceAll(err.Error(), "\n", "; "))
		}
	}
	missing = append(missing, lacksLibraries(provider, library)...)
	if len(missing) == 0 {
		return nil
	}
	return fmt.Errorf("%w: %s: %s", models.ErrProvider, provider, strings.Join(missing, "; "))
}

// Lacks says what ONNX Runtime at that path lacks for CUDA; empty if nothing. It does not
// load CUDA's libraries that are next to it.
func Lacks(library string) string {
	return strings.Join(append(lacksFiles(CUDA, library), lacksLibraries(CUDA, library)...), "; ")
}

// lacksFiles says which of a provider's own libraries cannot be used.
func lacksFiles(provider, library string) (missing []string) {
	var absent []string
	for _, p := range []string{shared, provider} {
		file := providerFile(library, p)
		switch err := checkFile(file); {
		case errors.Is(err, fs.ErrNotExist):
			absent = append(absent, filepath.Base(file))
		case err != nil:
			missing = append(missing, err.Error())
		}
	}
	if len(absent) > 0 {
		missing = append(missing, fmt.Sprintf("%s is a build without %s: not next to it: %s; %s fetches one with CUDA and cuDNN, or set %s to one",
			library, provider, strings.Join(absent, ", "), getGPU, LibraryVariable))
	}
	return missing
}

// lacksLibraries says which libraries a provider's own libraries need that are not found.
func lacksLibraries(provider, library string) (missing []string) {
	for _, p := range []string{shared, provider} {
		if file := providerFile(library, p); fileExists(file) {
			text, err := missingFor(file, homes(library)...)
			if err != nil {
				text = err.Error()
			}
			if text != "" {
				missing = append(missing, text)
			}
		}
	}
	return missing
}

// checkFile returns why a file cannot be used: nil if it can, an error that wraps
// fs.ErrNotExist if it does not exist.
func checkFile(path string) error {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return err
	case info.IsDir():
		return fmt.Errorf("%s is a folder", path)
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is not a regular file", path)
	}
	return nil
}

func fileExists(path string) bool { return checkFile(path) == nil }

// SleepOnGPU makes threads that wait for a GPU sleep, as CUDA numbers those that are
// visible; CUDA's default is that they poll. It must be called before anything in this
// process uses the GPU. Open does so, which is too late for whoever uses it before.
func SleepOnGPU(index int) error { return cuda.Block(index) }
