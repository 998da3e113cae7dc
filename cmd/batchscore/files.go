package main

import (
	"errors"
	"io"
	"os"

	"github.com/batchscore/batchscore/scorer/store/atomicfile"
)

// writeWhole writes a file so that it appears complete or not at all. A device or
// a pipe is written to instead of being replaced.
func writeWhole(file string, write func(io.Writer) error) error {
	if info, err := os.Stat(file); err == nil && info.IsDir() {
		return usagef("%s is a folder: name a file in it", file)
	} else if err == nil && !info.Mode().IsRegular() {
		return writeInto(file, write)
	}
	return atomicfile.Write(file, 0o644, write)
}

// writeInto writes to something that exists already.
func writeInto(file string, write func(io.Writer) error) error {
	f, err := os.OpenFile(file, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	return errors.Join(write(f), f.Close())
}
