package ort

import (
	"debug/elf"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/batchscore/batchscore/models/device/sharedlib"
)

// missingLibraries returns all libraries that a shared library needs and that are neither
// in its folder nor in the given ones, and that the loader does not find. The loader
// itself names only the first.
func missingLibraries(path string, given ...string) ([]string, error) {
	if err := sharedlib.Check(path); err != nil {
		return nil, err
	}
	f, err := elf.Open(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read %s: %w", path, err)
	}
	defer func() { _ = f.Close() }()
	needed, err := f.DynString(elf.DT_NEEDED)
	if err != nil {
		return nil, fmt.Errorf("cannot read %s: %w", path, err)
	}
	folders := append([]string{filepath.Dir(path)}, given...)
	for _, tag := range []elf.DynTag{elf.DT_RUNPATH, elf.DT_RPATH} {
		values, err := f.DynString(tag)
		if err != nil {
			return nil, fmt.Errorf("cannot read %s: %w", path, err)
		}
		for _, list := range values {
			for _, folder := range filepath.SplitList(list) {
				folder = strings.NewReplacer("$ORIGIN", folders[0], "${ORIGIN}", folders[0]).Replace(folder)
				folders = append(folders, folder)
			}
		}
	}
	if cudaOf(needed) > 0 && !slices.ContainsFunc(needed, func(name string) bool { return strings.HasPrefix(name, cuDNN) }) {
		needed = append(needed, cuDNN+".9") // releases from 1.31 on load it when it is used
	}
	var missing []string
	for _, name := range needed {
		if !slices.Contains(missing, name) && !found(name, folders) {
			missing = append(missing, name)
		}
	}
	return missing, nil
}

const (
	driverLibrary = "libcuda.so.1"
	cudaRuntime   = "libcudart.so."
	cuDNN         = "libcudnn.so"
)

// cudaOf returns the release of CUDA whose runtime is among the libraries; 0 if none is.
func cudaOf(libraries []string) int {
	for _, name := range libraries {
		if release, ok := strings.CutPrefix(name, cudaRuntime); ok {
			n, _ := strconv.Atoi(release)
			return n
		}
	}
	return 0
}

// cudaRelease returns the release of CUDA that a provider's library was built for; 0 if
// unknown.
func cudaRelease(provider string) int {
	f, err := elf.Open(provider)
	if err != nil {
		return 0
	}
	defer func() { _ = f.Close() }()
	needed, _ := f.DynString(elf.DT_NEEDED)
	return cudaOf(needed)
}

// missingFor says which libraries a provider's library lacks, and how to get them; empty
// if none.
func missingFor(file string, given ...string) (string, error) {
	missing, err := missingLibraries(file, given...)
	if err != nil || len(missing) == 0 {
		return "", err
	}
	var texts []string
	if i := slices.Index(missing, driverLibrary); i >= 0 {
		missing = slices.Delete(missing, i, i+1)
		texts = append(texts, "the NVIDIA driver's "+driverLibrary+" cannot be loaded: install the driver, or start the container with its GPUs")
	}
	if len(missing) > 0 {
		text := filepath.Base(file) + " needs " + strings.Join(missing, ", ") + ", which cannot be loaded"
		if other := otherRelease(missing, append([]string{filepath.Dir(file)}, given...)); other != "" {
			text += "; " + other + ", of another release of CUDA, is there and cannot replace it"
		}
		texts = append(texts, text+": "+getGPU+" fetches CUDA's libraries and cuDNN, or add their folders to LD_LIBRARY_PATH")
	}
	return strings.Join(texts, "; "), nil
}

// otherRelease returns a library of CUDA 12 or 13 that is found in place of one that is
// missing; empty if none is.
func otherRelease(missing, folders []string) string {
	for _, name := range missing {
		for stem, release := range map[string]string{"12": "13", "13": "12"} {
			if base, ok := strings.CutSuffix(name, ".so."+stem); ok && found(base+".so."+release, folders) {
				return base + ".so." + release
			}
		}
	}
	return ""
}

func found(name string, folders []string) bool {
	for _, folder := range folders {
		if fileExists(filepath.Join(folder, name)) {
			return true
		}
	}
	return loadable(name) == nil
}
