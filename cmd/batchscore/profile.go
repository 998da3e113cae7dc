package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
	"runtime/trace"

	"github.com/spf13/cobra"
)

// profileFlags say where to write profiles of this process.
type profileFlags struct{ folder string }

func (f *profileFlags) register(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.folder, "profile", "",
		"write profiles of this rank to `FOLDER`, for go tool pprof (cpu, allocs, block, mutex) and go tool trace")
}

// start starts profiling. The function it returns stops it and writes the profiles.
func (f *profileFlags) start(rank int) (end func() error, err error) {
	if f.folder == "" {
		return func() error { return nil }, nil
	}
	if err := localOnly("--profile", f.folder); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(f.folder, 0o777); err != nil {
		return nil, config(fmt.Errorf("--profile: %w", err))
	}
	folder, err := os.OpenRoot(f.folder)
	if err != nil {
		return nil, config(fmt.Errorf("--profile: %w", err))
	}
	defer folder.Close()
	var files []*os.File
	create := func(name string) *os.File {
		file, e := createIn(folder, fmt.Sprintf(name, rank))
		err = errors.Join(err, e)
		files = append(files, file)
		return file
	}
	cpu, tracing := create("cpu-%05d.pprof"), create("trace-%05d.out")
	kinds := []string{"allocs", "block", "mutex"}
	for _, kind := range kinds {
		create(kind + "-%05d.pprof")
	}
	if err == nil {
		err = errors.Join(pprof.StartCPUProfile(cpu), trace.Start(tracing))
	}
	if err != nil {
		return nil, config(fmt.Errorf("--profile: %w", err))
	}
	// The profile counts every wait of 10 µs or more, and a sample of shorter ones.
	runtime.SetBlockProfileRate(10_000)
	runtime.SetMutexProfileFraction(10)
	return func() error {
		pprof.StopCPUProfile()
		trace.Stop()
		var errs []error
		for i, kind := range kinds {
			errs = append(errs, pprof.Lookup(kind).WriteTo(files[2+i], 0))
		}
		for _, file := range files {
			errs = append(errs, file.Close())
		}
		return errors.Join(errs...)
	}, nil
}
