package main

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"syscall"
	"time"

	"github.com/batchscore/batchscore/scorer/store/atomicfile"
)

// writeWhole writes a file so that it appears complete or not at all. A device or
// a pipe is written to instead of being replaced.
func writeWhole(ctx context.Context, file string, write func(io.Writer) error) error {
	if info, err := os.Stat(file); err == nil && info.IsDir() {
		return usagef("%s is a folder: name a file in it", file)
	} else if err == nil && !info.Mode().IsRegular() {
		return writeInto(ctx, file, info.Mode(), write)
	}
	return atomicfile.Write(file, 0o666, write)
}

// readerPoll is how often writeInto looks whether a pipe has a reader.
const readerPoll = 20 * time.Millisecond

// writeInto writes to a pipe or a device that exists already, until ctx ends.
func writeInto(ctx context.Context, file string, mode fs.FileMode, write func(io.Writer) error) error {
	flags := os.O_WRONLY
	if mode&fs.ModeNamedPipe != 0 {
		flags |= syscall.O_NONBLOCK // to open it would wait for a reader, and hear no signal
	}
	f, err := os.OpenFile(file, flags, 0)
	for errors.Is(err, syscall.ENXIO) && mode&fs.ModeNamedPipe != 0 {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(readerPoll):
		}
		f, err = os.OpenFile(file, flags, 0)
	}
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { f.SetWriteDeadline(time.Unix(1, 0)) }) //nolint:errcheck // devices have none
	defer stop()
	err = errors.Join(write(f), f.Close())
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}
