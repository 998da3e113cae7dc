package main

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// A file is one of a package.
type file struct {
	name       string
	executable bool
	body       []byte
}

func (f file) mode() os.FileMode {
	if f.executable {
		return 0o755
	}
	return 0o644
}

// A tree is the files of a package, in order.
type tree []file

// add reads a file of the machine into the tree.
func (t *tree) add(name, from string) error {
	body, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	t.put(name, body)
	return nil
}

func (t *tree) put(name string, body []byte) {
	*t = append(*t, file{name: name, body: body, executable: strings.HasPrefix(string(body), "\x7fELF") && path.Ext(name) == ""})
	slices.SortFunc(*t, func(a, b file) int { return strings.Compare(a.name, b.name) })
}

// below reads the files of a folder into the tree.
func (t *tree) below(name, folder string) error {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.IsDir() {
			continue
		}
		if err := t.add(path.Join(name, e.Name()), filepath.Join(folder, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// folders returns the folders of the tree, each after the one that it is in.
func (t tree) folders() []string {
	var all []string
	for _, f := range t {
		for folder := path.Dir(f.name); folder != "."; folder = path.Dir(folder) {
			all = append(all, folder)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// create writes a file that appears whole or not at all.
func create(name string, write func(w io.Writer) error) error {
	f, err := os.Create(name + ".new")
	if err != nil {
		return err
	}
	err = write(f)
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}

// writeTar writes a tree to a .tar.gz.
func writeTar(name string, t tree, when time.Time) error {
	return create(name, func(w io.Writer) error {
		z, err := gzip.NewWriterLevel(w, gzip.BestCompression)
		if err != nil {
			return err
		}
		out := tar.NewWriter(z)
		for _, folder := range t.folders() {
			if err := out.WriteHeader(&tar.Header{
				Typeflag: tar.TypeDir, Name: folder + "/", Mode: 0o755, ModTime: when, Uname: "root", Gname: "root", Format: tar.FormatUSTAR,
			}); err != nil {
				return err
			}
		}
		for _, f := range t {
			if err := out.WriteHeader(&tar.Header{
				Typeflag: tar.TypeReg, Name: f.name, Mode: int64(f.mode()), Size: int64(len(f.body)), ModTime: when,
				Uname: "root", Gname: "root", Format: tar.FormatUSTAR,
			}); err != nil {
				return err
			}
			if _, err := out.Write(f.body); err != nil {
				return err
			}
		}
		if err := out.Close(); err != nil {
			return err
		}
		return z.Close()
	})
}

// writeZip writes a tree to a .zip, as wheels are. Its times are even seconds from 1980 on.
func writeZip(name string, t tree, when time.Time) error {
	return create(name, func(w io.Writer) error {
		out := zip.NewWriter(w)
		for _, f := range t {
			h := &zip.FileHeader{Name: f.name, Method: zip.Deflate, Modified: when.Truncate(2 * time.Second)}
			h.SetMode(f.mode())
			entry, err := out.CreateHeader(h)
			if err != nil {
				return err
			}
			if _, err := entry.Write(f.body); err != nil {
				return err
			}
		}
		return out.Close()
	})
}

// writeFiles writes a tree below a folder.
func writeFiles(folder string, t tree) error {
	for _, f := range t {
		name := filepath.Join(folder, f.name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(name, f.body, f.mode()); err != nil {
			return err
		}
	}
	return nil
}
