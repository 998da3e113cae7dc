package ort

import (
	"fmt"
	"path/filepath"
	"sync"

	onnx "github.com/yalue/onnxruntime_go"

	"github.com/batchscore/batchscore/models"
)

// environment is ONNX Runtime's one environment per process, shared by all
// engines and ended with the last of them.
var environment struct {
	sync.Mutex
	users   int
	library string
	loaded  loaded
}

// acquire loads the library and starts the environment, or joins it. Every
// acquire without error needs one release.
func acquire(library string) (loaded, error) {
	if resolved, err := filepath.EvalSymlinks(library); err == nil {
		library = resolved
	}
	e := &environment
	e.Lock()
	defer e.Unlock()
	if e.users > 0 {
		if e.library != library {
			return loaded{}, fmt.Errorf("%w: this process runs ONNX Runtime from %s already and cannot load %s besides",
				models.ErrProvider, e.library, library)
		}
		e.users++
		return e.loaded, nil
	}
	l, err := load(library)
	if err != nil {
		return loaded{}, fmt.Errorf("%w: cannot use %s: %w; %s", models.ErrProvider, library, err, howToGetLibrary)
	}
	onnx.SetSharedLibraryPath(library)
	// What fails is returned as an error; ONNX Runtime's own lines on stderr
	// would only say it twice.
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
