package main

import (
	"debug/elf"
	"fmt"
	"strings"
)

// glibc is a version of the GNU C library, 2.minor.
type glibc struct{ minor int }

func (g glibc) String() string { return fmt.Sprintf("2.%d", g.minor) }

// newestGlibc is that of the oldest system that packages are for, Ubuntu 22.04.
var newestGlibc = glibc{minor: 35}

// oldest returns the oldest glibc that has all functions that the files ask for.
func oldest(files ...string) (glibc, error) {
	var g glibc
	for _, file := range files {
		f, err := elf.Open(file)
		if err != nil {
			return g, fmt.Errorf("%s: %w", file, err)
		}
		symbols, err := f.ImportedSymbols()
		_ = f.Close()
		if err != nil {
			return g, fmt.Errorf("%s: %w", file, err)
		}
		for _, s := range symbols {
			minor, err := minorOf(s.Version)
			if err != nil {
				return g, fmt.Errorf("%s: %s: %w", file, s.Name, err)
			}
			if minor > newestGlibc.minor {
				return g, fmt.Errorf("%s needs %s of glibc 2.%d, and packages are for %s: build on Debian 12 or older", file, s.Name, minor, newestGlibc)
			}
			g.minor = max(g.minor, minor)
		}
	}
	if g.minor == 0 {
		return g, fmt.Errorf("%s ask for no function of glibc", strings.Join(files, ", "))
	}
	return g, nil
}

// minorOf returns n of GLIBC_2.n and of GLIBC_2.n.m, and 0 for versions of other libraries.
func minorOf(symbolVersion string) (int, error) {
	number, ok := strings.CutPrefix(symbolVersion, "GLIBC_")
	if !ok {
		return 0, nil
	}
	var minor int
	if _, err := fmt.Sscanf(number, "2.%d", &minor); err != nil {
		return 0, fmt.Errorf("%s is not a version of glibc that is known", symbolVersion)
	}
	return minor, nil
}
