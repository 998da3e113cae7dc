package ort

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"

	onnx "github.com/yalue/onnxruntime_go"

	"github.com/batchscore/batchscore/models"
)

// environment is ONNX Runtime's only environment in this process. All engines share
// it, and it ends with the last of them.
var environment struct {
	sync.Mutex
	users   int
	library string
	loaded  loaded
}

// noTelemetry is the variable that turns off the telemetry of ONNX Runtime, which reads it
// once, when its environment starts. Left on, newer builds send what models run on which
// devices to Microsoft, keep an identifier of the machine in the user's cache folder, and
// truncate a file in /tmp whose name others can guess, through a link if one is there.
//
// Source: https://github.com/microsoft/onnxruntime/pull/27379
const noTelemetry = "ORT_DISABLE_TELEMETRY"

// libraryFor returns the library for an engine. A process has one, so on the CPU the one
// that it has already is used unless another is named.
func libraryFor(opt Options) (string, error) {
	if opt.Library == "" && os.Getenv(LibraryVariable) == "" && OnCPU(opt.Provider) {
		e := &environment
		e.Lock()
		defer e.Unlock()
		if e.library != "" {
			return e.library, nil
		}
	}
	return FindLibrary(opt.Library, opt.Provider)
}

// acquire loads the library and starts the environment, or joins the one that runs.
// Every acquire without an error needs one release.
func acquire(library string) (loaded, error) {
	if resolved, err := filepath.EvalSymlinks(library); err == nil {
		library = resolved
	}
	e := &environment
	e.Lock()
	defer e.Unlock()
	if e.users > 0 {
		if e.library != library {
			return loaded{}, fmt.Errorf("%w: this process already runs ONNX Runtime from %s and cannot load %s as well",
				models.ErrProvider, e.library, library)
		}
		e.users++
		return e.loaded, nil
	}
	if err := os.Setenv(noTelemetry, "1"); err != nil {
		return loaded{}, err
	}
	l, err := load(library)
	if err != nil {
		return loaded{}, fmt.Errorf("%w: cannot use %s: %w; %s", models.ErrProvider, library, err, howToGetLibrary)
	}
	onnx.SetSharedLibraryPath(library)
	// Failures are returned as errors, so ONNX Runtime's own lines on stderr would
	// only repeat them.
	if err := onnx.InitializeEnvironment(onnx.WithLogLevelFatal()); err != nil {
		return loaded{}, fmt.Errorf("%w: cannot start ONNX Runtime %s from %s: %w", models.ErrProvider, l.version, library, err)
	}
	e.users, e.library, e.loaded = 1, library, l
	return l, nil
}

func release() error {
	e := &environment
	e.Lock()
	defer e.Unlock()
	if e.users--; e.users > 0 {
		return nil
	}
	return onnx.DestroyEnvironment()
}
