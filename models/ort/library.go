package ort

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/device"
	"github.com/batchscore/batchscore/models/device/sharedlib"
)

// LibraryVariable is the environment variable with the path of ONNX Runtime's shared
// library.
const LibraryVariable = "ONNXRUNTIME_LIB"

const howToGetLibrary = "run \"make deps\" in the source tree, for a GPU \"make deps-gpu\", or install ONNX Runtime 1.24 or newer" +
	" from the release archive of the ONNX Runtime project and set " + LibraryVariable + " to its libonnxruntime.so"

// libraryNames are the file names of the library, the most specific first.
var libraryNames = []string{"libonnxruntime.so.1", "libonnxruntime.so"}

// FindLibrary returns the path of ONNX Runtime's shared library: explicit if it is
// not empty, else ONNXRUNTIME_LIB, else the first that exists in
//
//   - the folder of the executable and the folder ../lib next to it,
//   - the folder BATCHSCORE_CACHE, or .cache of the source tree that the executable was
//     built in: there in onnxruntime-gpu, for the providers Auto and CUDA where there is
//     a GPU,
//   - the folder ../lib/batchscore next to that of the executable, where packages keep it,
//   - onnxruntime in the same caches,
//   - LD_LIBRARY_PATH and the system's library folders.
//
// A given path must exist; nothing else is tried instead. The error wraps
// models.ErrProvider and says how to get the library.
func FindLibrary(explicit, provider string) (string, error) {
	where := "given path"
	if explicit == "" {
		explicit, where = os.Getenv(LibraryVariable), LibraryVariable
	}
	if explicit != "" {
		info, err := os.Stat(explicit)
		switch {
		case err != nil:
			return "", noLibrary{fmt.Errorf("ONNX Runtime, %s: %w; %s", where, err, howToGetLibrary)}
		case info.Mode().IsRegular():
			return filepath.Abs(explicit)
		case !info.IsDir():
			return "", noLibrary{fmt.Errorf("ONNX Runtime, %s: %s is not a regular file; %s", where, explicit, howToGetLibrary)}
		}
		if path := firstFile([]string{explicit}); path != "" {
			return filepath.Abs(path)
		}
		return "", noLibrary{fmt.Errorf("ONNX Runtime, %s: the folder %s holds none of %s; %s",
			where, explicit, strings.Join(libraryNames, ", "), howToGetLibrary)}
	}
	folders := searchFolders(provider)
	if path := firstFile(folders); path != "" {
		return filepath.Abs(path)
	}
	return "", noLibrary{fmt.Errorf("ONNX Runtime was not found: %s; %s is in none of %s",
		howToGetLibrary, libraryNames[0], strings.Join(folders, ", "))}
}

// noLibrary is the error of a library that was not found. It wraps
// models.ErrProvider, which its message leaves out: no provider was looked for yet.
type noLibrary struct{ error }

func (e noLibrary) Unwrap() []error { return []error{e.error, models.ErrProvider} }

func firstFile(folders []string) string {
	for _, folder := range folders {
		for _, name := range libraryNames {
			path := filepath.Join(folder, name)
			if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
				return path
			}
		}
	}
	return ""
}

// searchFolders returns where FindLibrary looks for a library for a provider.
func searchFolders(provider string) []string {
	folders := sharedlib.NextTo()
	caches := distinct(sharedlib.Caches())
	for _, cache := range caches {
		folders = append(folders, gpuFolders(cache, provider)...)
	}
	// After those for GPUs, which packages do not have.
	if own := sharedlib.Packaged(); own != "" {
		folders = append(folders, own)
	}
	for _, cache := range caches {
		folders = append(folders, filepath.Join(cache, "onnxruntime"))
	}
	for _, folder := range filepath.SplitList(os.Getenv("LD_LIBRARY_PATH")) {
		if folder != "" {
			folders = append(folders, folder)
		}
	}
	system := []string{"/usr/local/lib", "/usr/local/lib64", "/usr/lib", "/usr/lib64", "/opt/onnxruntime/lib"}
	if multiarch, err := filepath.Glob("/usr/lib/*-linux-gnu"); err == nil {
		system = append(system, multiarch...)
	}
	return distinct(append(folders, system...))
}

// gpuFolders returns the folders of a cache with ONNX Runtime for GPUs, as "make deps-gpu"
// fetches it: the one for the line of CUDA that suits this machine first. It is empty
// where no GPU is used.
func gpuFolders(cache, provider string) []string {
	if provider != CUDA && provider != Auto && provider != "" {
		return nil
	}
	folder := filepath.Join(cache, "onnxruntime-gpu")
	if _, err := os.Stat(folder); err != nil {
		return nil
	}
	gpus := device.GPUs()
	if gpus.Visible() == 0 && provider != CUDA {
		return nil
	}
	lines := []string{filepath.Join(folder, "cuda12"), filepath.Join(folder, "cuda13")}
	if gpus.CUDA13() {
		slices.Reverse(lines)
	}
	return lines
}

// distinct returns the folders without those that are there already under the same
// or another name, such as a symbolic link's.
func distinct(folders []string) []string {
	seen := map[string]bool{}
	return slices.DeleteFunc(folders, func(folder string) bool {
		name, err := filepath.EvalSymlinks(folder)
		if err != nil {
			name = filepath.Clean(folder)
		}
		double := seen[name]
		seen[name] = true
		return double
	})
}

// StandIn reports whether next to a library of ONNX Runtime lies the stand-in for the
// libraries of CUDA, which computes nothing. It is for tests, and neither its scores nor
// its speeds mean anything.
func StandIn(library string) bool {
	for _, folder := range homes(library) {
		if fileExists(filepath.Join(folder, "libcudatest.so")) {
			return true
		}
	}
	return false
}

// StandIn reports whether the engine's GPU is simulated by the stand-in for CUDA.
func (e *Engine) StandIn() bool { return e.rebind && StandIn(e.library) }
