package main

import (
	"context"
	"errors"
	"fmt"
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

// writeBytes is writeWhole for what is in memory.
func writeBytes(ctx context.Context, file string, body []byte) error {
	return writeWhole(ctx, file, func(w io.Writer) error {
		_, err := w.Write(body)
		return err
	})
}

// createIn opens an empty file for writing in a folder where others may have put anything
// under its name. A link that leaves the folder is not followed, and what is not a regular
// file is atomicfile.ErrNotRegular.
func createIn(folder *os.Root, name string) (*os.File, error) {
	if info, err := folder.Stat(name); err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("write %s/%s: %w", folder.Name(), name, atomicfile.ErrNotRegular)
	}
	// To open a pipe that appeared meanwhile would wait for a reader.
	f, err := folder.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC|syscall.O_NONBLOCK, 0o666)
	if err != nil {
		return nil, fmt.Errorf("write %s/%s: %w", folder.Name(), name, err)
	}
	return f, nil
}

// readerPoll is how often writeInto looks whether a pipe has a reader.
const readerPoll = 20 * time.Millisecond

// writeInto writes to a pipe or a device that exists already, until ctx ends. What goes to
// a terminal is printable.
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
	to, closeDoor := printableOn(f)
	stop := context.AfterFunc(ctx, func() { f.SetWriteDeadline(time.Unix(1, 0)) }) //nolint:errcheck // devices have none
	defer stop()
	err = errors.Join(write(to), closeDoor(), f.Close())
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}
