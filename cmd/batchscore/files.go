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

// writeWhole makes file appear whole or not at all. What is no file, such as a
// device or a pipe, is written to and stays what it is.
func writeWhole(file string, write func(io.Writer) error) (err error) {
	if info, err := os.Stat(file); err == nil && info.IsDir() {
		return usagef("%s is a folder: name a file in it", file)
	} else if err == nil && !info.Mode().IsRegular() {
		return writeInto(file, write)
	}
	temporary := filepath.Join(filepath.Dir(file), "."+filepath.Base(file)+".")
	defer func() { err = renamed(err, temporary, file) }()
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

func writeInto(file string, write func(io.Writer) error) error {
	f, err := os.OpenFile(file, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	return errors.Join(write(f), f.Close())
}

// renamed says of an error with a temporary file, whose name begins so, what it
// means for the file that was asked for.
func renamed(err error, temporary, file string) error {
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
