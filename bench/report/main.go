// Command report writes BENCHMARKS.md and its charts from raw samples.
//
//		go run ./bench/report [-check]
//
//	 1. The text is in BENCHMARKS.md.tmpl, a text/template. Every figure in it is a
//	    call that reads a file of samples under bench/testdata.
//	 2. A call picks samples (samples, .Only, .Where) and makes a table, a number or a
//	    chart of them. A missing file or configuration is an error, so there is no
//	    figure without samples.
//	 3. Simulated and measured samples are never in one table. Tables of simulated
//	    samples say so.
//
// With -check it writes nothing and fails if a file would change.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

func main() {
	check := flag.Bool("check", false, "fail when a file is not what the samples give, and write nothing")
	root := flag.String("C", ".", "root of the repository")
	flag.Parse()
	if err := run(*root, *check); err != nil {
		fmt.Fprintln(os.Stderr, "report:", err)
		os.Exit(1)
	}
}

func run(root string, check bool) error {
	files, err := render(filepath.Join(root, "bench", "testdata"))
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		path := filepath.Join(root, filepath.FromSlash(name))
		old, err := os.ReadFile(path)
		switch {
		case err == nil && bytes.Equal(old, files[name]):
		case check:
			return fmt.Errorf("%s does not match the samples: run 'make report'", name)
		default:
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				return err
			}
			if err := os.WriteFile(path, files[name], 0o644); err != nil {
				return err
			}
		}
	}
	return nil
}
