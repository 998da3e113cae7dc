package convert

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"syscall"

	"golang.org/x/sync/errgroup"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/preprocess"
	"github.com/batchscore/batchscore/models/preprocess/budget"
	"github.com/batchscore/batchscore/models/preprocess/codec"
)

// Engine is a model that is ready to score, such as an engine of models/ort. Several
// goroutines may use it at the same time.
type Engine interface {
	// Lanes returns how many concurrent Score calls keep the device busy.
	Lanes() int
	// NewBatch returns the memory of a batch of at most that many images.
	NewBatch(capacity int) (*models.Batch, error)
	// Score fills rows lo <= i < hi of b.Scores from those of b.Pixels.
	Score(ctx context.Context, b *models.Batch, lo, hi int) error
	Close() error
}

// Opener opens an engine for a model. The caller closes it.
type Opener func(m *models.Model) (Engine, error)

// Images lists the files in a folder and its subfolders in the order of their paths:
// all of them, or at most that many, evenly spread, if most is above 0. Files that
// are not images are only detected when they are decoded.
func Images(folder string, most int) ([]string, error) {
	var paths []string
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			paths = append(paths, path)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list images: %w", err)
	}
	if n := len(paths); most > 0 && n > most {
		for i := range most {
			paths[i] = paths[i*n/most]
		}
		paths = paths[:most]
	}
	return paths, nil
}

// batchImages is how many images go in one call.
const batchImages = 4

// scoreImages runs a model on image files and returns a row of scores for each file;
// nil for one that cannot be decoded.
func scoreImages(ctx context.Context, e Engine, m *models.Model, paths []string) ([][]float32, error) {
	rows := make([][]float32, len(paths))
	batches := slices.Collect(slices.Chunk(paths, batchImages))
	var next atomic.Int64
	workers, ctx := errgroup.WithContext(ctx)
	for range min(max(e.Lanes(), 1), len(batches)) {
		workers.Go(func() error {
			w, err := newWorker(e, m)
			if err != nil {
				return err
			}
			defer w.decoder.Close()
			for i := int(next.Add(1)) - 1; i < len(batches); i = int(next.Add(1)) - 1 {
				if err := w.score(ctx, batches[i], rows[i*batchImages:]); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return rows, workers.Wait()
}

type worker struct {
	engine  Engine
	decoder *preprocess.Decoder
	batch   *models.Batch
	row     int // bytes
	classes int
	largest int64 // bytes of an encoded image
}

func newWorker(e Engine, m *models.Model) (*worker, error) {
	b, err := e.NewBatch(batchImages)
	if err != nil {
		return nil, err
	}
	d, err := preprocess.NewDecoder(m.Contract.Preprocess, preprocess.Options{})
	if err != nil {
		return nil, err
	}
	return &worker{e, d, b, m.Contract.Preprocess.RowBytes(), m.Contract.Numbers(), budget.Process().Limits().Largest}, nil
}

// readImage reads a file. It reads nothing of what is not a regular file or has more bytes
// than an image may: that decodes to no picture.
func readImage(path string, largest int64) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a pipe may have its name by now
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() || info.Size() > largest {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(f, info.Size()))
}

// score decodes and scores at most a batch of images. It skips other files.
func (w *worker) score(ctx context.Context, paths []string, rows [][]float32) error {
	var at []int
	for i, path := range paths {
		src, err := readImage(path, w.largest)
		if err != nil {
			return fmt.Errorf("read image: %w", err)
		}
		n := len(at)
		err = w.decoder.Decode(w.batch.Pixels[n*w.row:(n+1)*w.row], src)
		var failed *codec.Failure
		switch {
		case errors.As(err, &failed):
		case err != nil:
			return fmt.Errorf("%s: %w", path, err)
		default:
			at = append(at, i)
		}
	}
	if len(at) == 0 {
		return nil
	}
	if err := w.batch.InParts(0, len(at), func(lo, hi int) error { return w.engine.Score(ctx, w.batch, lo, hi) }); err != nil {
		return err
	}
	for n, i := range at {
		rows[i] = slices.Clone(w.batch.Scores[n*w.classes:][:w.classes])
	}
	return nil
}
