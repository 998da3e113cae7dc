package ort

import (
	"debug/elf"
	"fmt"
	"path/filepath"
	"strings"
)

// missingLibraries returns all libraries that a shared library needs and that are neither
// in its folder nor in the given ones, and that the loader does not find. The loader
// itself names only the first.
func missingLibraries(path string, given ...string) ([]string, error) {
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
	var missing []string
	for _, name := range needed {
		if !found(name, folders) {
			missing = append(missing, name)
		}
	}
	return missing, nil
}

func found(name string, folders []string) bool {
	for _, folder := range folders {
		if fileExists(filepath.Join(folder, name)) {
			return true
		}
	}
	return loadable(name) == nil
}
