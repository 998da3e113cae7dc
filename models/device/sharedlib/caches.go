package sharedlib

import (
	"os"
	"path/filepath"
)

// Program returns the folder of this process's executable, links resolved; "" if it is
// unknown.
func Program() string {
	exe, err := os.Executable()
	if err != nil {
		return ""
	}
	if resolved, err := filepath.EvalSymlinks(exe); err == nil {
		exe = resolved
	}
	return filepath.Dir(exe)
}

// Caches returns the folders into which deploy/deps/fetch.sh may have fetched libraries:
// BATCHSCORE_CACHE, and .cache of the source trees that hold the executable and the
// working directory. A folder may be in it twice, and none has to exist.
func Caches() []string {
	var caches []string
	if cache := os.Getenv("BATCHSCORE_CACHE"); cache != "" {
		caches = append(caches, cache)
	}
	roots := []string{Program()}
	if wd, err := os.Getwd(); err == nil {
		roots = append(roots, wd)
	}
	for _, root := range roots {
		if tree := sourceTree(root); tree != "" {
			caches = append(caches, filepath.Join(tree, ".cache"))
		}
	}
	return caches
}

// sourceTree returns the nearest folder at or above folder that is the root of a Go
// module; "" if there is none.
func sourceTree(folder string) string {
	for folder != "" {
		if _, err := os.Stat(filepath.Join(folder, "go.mod")); err == nil {
			return folder
		}
		if folder == filepath.Dir(folder) {
			return ""
		}
		folder = filepath.Dir(folder)
	}
	return ""
}
