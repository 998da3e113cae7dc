package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// writeWhole writes a file so that it appears complete or not at all. A device or
// a pipe is written to instead of being replaced.
func writeWhole(file string, write func(io.Writer) error) (err error) {
	if info, err := os.Stat(file); err == nil && info.IsDir() {
		return usagef("%s is a folder: name a file in it", file)
	} else if err == nil && !info.Mode().IsRegular() {
		return writeInto(file, write)
	}
	temporary := filepath.Join(filepath.Dir(file), "."+filepath.Base(file)+".")
	defer func() { err = forFile(err, temporary, file) }()
	f, err := os.CreateTemp(filepath.Dir(file), filepath.Base(temporary)+"*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	if err := write(f); err != nil {
		return err
	}
	if err := f.Chmod(0o644); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), file)
}

// writeInto writes to something that exists already.
func writeInto(file string, write func(io.Writer) error) error {
	f, err := os.OpenFile(file, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	return errors.Join(write(f), f.Close())
}

// forFile turns an error about a temporary file, whose name begins with temporary,
// into one about the file that the user named.
func forFile(err error, temporary, file string) error {
	var path *fs.PathError
	var link *os.LinkError
	switch {
	case errors.As(err, &path) && strings.HasPrefix(filepath.Clean(path.Path), temporary):
		err = path.Err
	case errors.As(err, &link):
		err = link.Err
	default:
		return err
	}
	return fmt.Errorf("write %s: %w", file, err)
}
