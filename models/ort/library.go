package ort

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/batchscore/batchscore/models"
)

// LibraryVariable is the environment variable with the path of ONNX Runtime's shared
// library.
const LibraryVariable = "ONNXRUNTIME_LIB"

const howToGetLibrary = "run \"make deps\" in the source tree, or install ONNX Runtime 1.24 or newer from the release archive" +
	" of the ONNX Runtime project and set " + LibraryVariable + " to its libonnxruntime.so"

// libraryNames are the file names of the library, the most specific first.
var libraryNames = []string{"libonnxruntime.so.1", "libonnxruntime.so"}

// FindLibrary returns the path of ONNX Runtime's shared library: explicit if it is
// not empty, else ONNXRUNTIME_LIB, else the first that exists in
//
//   - the folder of the executable and the folder ../lib next to it,
//   - onnxruntime in the folder BATCHSCORE_CACHE, or in .cache of the source
//     tree that holds the executable or the working directory,
//   - LD_LIBRARY_PATH and the system's library folders.
//
// A given path must exist; nothing else is tried instead. The error wraps
// models.ErrProvider and says how to get the library.
func FindLibrary(explicit string) (string, error) {
	where := "given path"
	if explicit == "" {
		explicit, where = os.Getenv(LibraryVariable), LibraryVariable
	}
	if explicit != "" {
		info, err := os.Stat(explicit)
		switch {
		case err != nil:
			return "", noLibrary{fmt.Errorf("ONNX Runtime, %s: %w; %s", where, err, howToGetLibrary)}
		case !info.IsDir():
			return filepath.Abs(explicit)
		}
		if path := firstFile([]string{explicit}); path != "" {
			return filepath.Abs(path)
		}
		return "", noLibrary{fmt.Errorf("ONNX Runtime, %s: the folder %s holds none of %s; %s",
			where, explicit, strings.Join(libraryNames, ", "), howToGetLibrary)}
	}
	folders := searchFolders()
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
			if info, err := os.Stat(path); err == nil && !info.IsDir() {
				return path
			}
		}
	}
	return ""
}

func searchFolders() []string {
	var folders, roots []string
	if exe, err := os.Executable(); err == nil {
		if resolved, err := filepath.EvalSymlinks(exe); err == nil {
			exe = resolved
		}
		bin := filepath.Dir(exe)
		folders = append(folders, bin, filepath.Join(filepath.Dir(bin), "lib"))
		roots = append(roots, bin)
	}
	if wd, err := os.Getwd(); err == nil {
		roots = append(roots, wd)
	}
	if cache := os.Getenv("BATCHSCORE_CACHE"); cache != "" {
		folders = append(folders, filepath.Join(cache, "onnxruntime"))
	}
	for _, root := range roots {
		if tree := sourceTree(root); tree != "" {
			folders = append(folders, filepath.Join(tree, ".cache", "onnxruntime"))
		}
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

// sourceTree returns the nearest folder at or above folder that is the root of a Go
// module; "" if there is none.
func sourceTree(folder string) string {
	for {
		if _, err := os.Stat(filepath.Join(folder, "go.mod")); err == nil {
			return folder
		}
		if folder == filepath.Dir(folder) {
			return ""
		}
		folder = filepath.Dir(folder)
	}
}
