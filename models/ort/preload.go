package ort

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
)

// cudaLibraries are patterns of the libraries that ONNX Runtime's CUDA provider and cuDNN
// use, each after those that it needs itself. The driver's is among them for folders
// that bring their own, which then comes before the system's.
var cudaLibraries = []string{
	"libcuda.so.1",
	"libcudart.so.[0-9]*",
	"libnvJitLink.so.[0-9]*",
	"libcublasLt.so.[0-9]*",
	"libcublas.so.[0-9]*",
	"libcufft.so.[0-9]*",
	"libcurand.so.[0-9]*",
	"libnvrtc-builtins.so.[0-9]*",
	"libnvrtc.so.[0-9]*",
	"libcudnn.so.[0-9]*",
	"libcudnn_graph.so.[0-9]*",
	"libcudnn_ops.so.[0-9]*",
	"libcudnn_cnn.so.[0-9]*",
	"libcudnn_*.so.[0-9]*",
}

// preload loads the CUDA libraries that are next to ONNX Runtime, and keeps them in the
// process. The CUDA provider asks the loader for them by name and has no search path of
// its own; it gets a library of that name that is already loaded. Libraries that are not
// there are left to the loader. The error names those that are there and cannot be
// loaded.
func preload(library string) error {
	var errs []error
	seen := map[string]bool{}
	for _, pattern := range cudaLibraries {
		for _, folder := range homes(library) {
			files, err := filepath.Glob(filepath.Join(folder, pattern))
			if err != nil {
				return fmt.Errorf("cannot look for CUDA libraries: %w", err)
			}
			slices.Sort(files)
			for _, file := range files {
				if name := filepath.Base(file); seen[name] {
					continue
				} else {
					seen[name] = true
				}
				if err := loadGlobally(file); err != nil {
					errs = append(errs, fmt.Errorf("%s cannot be loaded: %w", file, err))
				}
			}
		}
	}
	return errors.Join(errs...)
}

// homes returns the folders where the files of ONNX Runtime are: the folder of
// the library, and that of the file to which a symbolic link leads.
func homes(library string) []string {
	folders := []string{filepath.Dir(library)}
	if resolved, err := filepath.EvalSymlinks(library); err == nil && filepath.Dir(resolved) != folders[0] {
		folders = append(folders, filepath.Dir(resolved))
	}
	return folders
}
