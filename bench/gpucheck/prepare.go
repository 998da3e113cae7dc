package gpucheck

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// prepared are files that several claims need, by name: models, collections, results.
type prepared map[string]*made

// made is a file that was made, or why it could not be, with the commands for that.
type made struct {
	path     string
	err      error
	commands []Command
}

// once returns a file that make makes, the first time. The commands for it count for
// every claim that needs it.
func (s *Session) once(ctx context.Context, name string, make func(path string) error) (string, error) {
	if m := s.prepared[name]; m != nil {
		for _, c := range m.commands {
			if !slices.Contains(s.commands, c) {
				s.commands = append(s.commands, c)
			}
		}
		return m.path, m.err
	}
	before := len(s.commands)
	m := &made{path: s.work(name)}
	m.err = make(m.path)
	m.commands = slices.Clone(s.commands[before:])
	if ctx.Err() == nil { // else another claim tries again
		s.prepared[name] = m
	}
	return m.path, m.err
}

// score returns the file of all rows that a run has written, which scores the images in a
// folder. name is that of the run among all; the same name means the same run.
func (s *Session) score(ctx context.Context, name, images, model string, args ...string) (string, error) {
	return s.once(ctx, name+".jsonl", func(path string) error {
		_, err := s.must(ctx, 0, nil, s.job(name, images, model, args...)...)
		return err
	})
}

// job returns the command line of the run that score makes.
func (s *Session) job(name, images, model string, args ...string) []string {
	return append([]string{"run", "--images", images, "--out", s.work(name), "--model", model, "--merge", s.work(name + ".jsonl"),
		"--max-errors", "100%", "--top-k", fmt.Sprint(mostClasses)}, args...)
}

// mostClasses is how many classes rows have at most.
const mostClasses = 1000

// half returns the model in half precision.
func (s *Session) half(ctx context.Context) (string, error) {
	if p := s.Contract.Precision; p != "" {
		return "", skipf("the model has the precision %s, so it cannot be converted", p)
	}
	return s.once(ctx, "fp16.onnx", func(path string) error {
		_, err := s.must(ctx, 0, nil, "models", "convert", "--precision", "fp16", "--check", s.Images, "-o", path, s.Model)
		return err
	})
}

// few returns a folder with some of the images, for models with random weights, whose
// answers mean nothing.
func (s *Session) few(ctx context.Context) (string, error) {
	const most = 4
	return s.once(ctx, "few", func(folder string) error {
		files, err := regular(s.Images)
		err = errors.Join(err, os.MkdirAll(folder, 0o777))
		for i := 0; i < min(most, len(files)) && err == nil; i++ {
			from := files[i*len(files)/most%len(files)]
			err = link(from, filepath.Join(folder, fmt.Sprintf("%02d%s", i, filepath.Ext(from))))
		}
		return err
	})
}

// regular returns the files in a folder and those below it.
func regular(folder string) (files []string, err error) {
	err = filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			files = append(files, path)
		}
		return err
	})
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("%s has no files", folder)
	}
	return files, err
}

// CheckImages returns an error if a folder has no file to score, at any depth.
func CheckImages(folder string) error {
	_, err := regular(folder)
	return err
}

// repeats is how often the images of the collection are in it.
const repeats = 100

// batch is how many images a batch has in runs whose batches matter.
const batch = 32

// collection returns a folder of the same batch of images, many times over. Its names
// sort in such a way that each batch of a run has the same images in the same order.
func (s *Session) collection(ctx context.Context) (string, error) { return s.copies(ctx, repeats) }

// copies returns a folder of the same batch of images n times.
func (s *Session) copies(ctx context.Context, n int) (string, error) {
	return s.once(ctx, fmt.Sprintf("collection-%d", n), func(folder string) error {
		files, err := regular(s.Images)
		for i := 0; i < n && err == nil; i++ {
			err = errors.Join(ctx.Err(), os.MkdirAll(filepath.Join(folder, fmt.Sprintf("%04d", i)), 0o777))
			for k := 0; k < batch && err == nil; k++ {
				from := files[k%len(files)]
				err = link(from, filepath.Join(folder, fmt.Sprintf("%04d", i), fmt.Sprintf("%02d%s", k, filepath.Ext(from))))
			}
		}
		return err
	})
}

// link makes a file that has the bytes of another one, as a link if the file system
// allows it.
func link(from, to string) (err error) {
	if os.Link(from, to) == nil {
		return nil
	}
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
