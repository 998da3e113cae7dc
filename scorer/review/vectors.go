package review

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"

	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/review/embedding"
	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/shard"
)

// Vectors are the vectors of an output's rows, in the order of its manifest, and the paths of
// their images. Both are in temporary files.
type Vectors struct {
	*embedding.Vectors
	paths *paths
}

// Path returns the path of the image of a row.
func (v *Vectors) Path(row int) (string, error) { return v.paths.at(row) }

// Close frees the temporary files.
func (v *Vectors) Close() error { return errors.Join(v.Vectors.Close(), v.paths.close()) }

// VectorsOf returns the vectors of an output's rows. Images that failed have vectors of zeros.
// head is the answer that is a vector where rows have several; empty is the only one. The numbers
// of the rows of wanted paths are set in paths. The output is read once.
func VectorsOf(ctx context.Context, st store.Store, head string, wanted map[string]int, progress func(rows int)) (_ *Vectors, err error) {
	job, err := output.ExistingJob(ctx, st)
	if err != nil {
		return nil, err
	}
	vectorOf, err := row.VectorOf(job.Schema().Task, head)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", st, err)
	}
	p, err := newPaths()
	if err != nil {
		return nil, err
	}
	spool, err := embedding.NewSpool()
	if err != nil {
		return nil, errors.Join(err, p.close())
	}
	rows := 0
	err = output.Results(ctx, st, func(e shard.Entry, r row.Row) error {
		if _, is := wanted[e.Path]; is {
			wanted[e.Path] = rows
		}
		if rows++; progress != nil && rows%everyRows == 0 {
			progress(rows)
		}
		if err := p.add(e.Path); err != nil {
			return err
		}
		return spool.Add(vectorOf(&r))
	})
	if err == nil {
		err = p.flush()
	}
	if err != nil {
		return nil, errors.Join(err, spool.Close(), p.close())
	}
	vectors, err := spool.Vectors()
	if err != nil {
		return nil, errors.Join(err, p.close())
	}
	return &Vectors{vectors, p}, nil
}

// paths are texts one after another in a file, and where each ends in another: 8 bytes for each.
type paths struct {
	files   [2]*os.File
	writers [2]*bufio.Writer
	end     uint64
}

func newPaths() (*paths, error) {
	p := new(paths)
	for i := range p.files {
		f, err := os.CreateTemp("", "batchscore-paths-")
		if err != nil {
			return nil, errors.Join(err, p.close())
		}
		p.files[i], p.writers[i] = f, bufio.NewWriter(f)
		if err := os.Remove(f.Name()); err != nil {
			return nil, errors.Join(err, p.close())
		}
	}
	return p, nil
}

func (p *paths) add(path string) error {
	p.end += uint64(len(path))
	if _, err := p.writers[0].WriteString(path); err != nil {
		return err
	}
	_, err := p.writers[1].Write(binary.LittleEndian.AppendUint64(nil, p.end))
	return err
}

func (p *paths) flush() error { return errors.Join(p.writers[0].Flush(), p.writers[1].Flush()) }

func (p *paths) at(row int) (string, error) {
	var ends [16]byte // of the one before, which is 0 for the first, and of this one
	at, from := ends[:], int64(row-1)*8
	if row == 0 {
		at, from = ends[8:], 0
	}
	if _, err := p.files[1].ReadAt(at, from); err != nil {
		return "", err
	}
	first, end := binary.LittleEndian.Uint64(ends[:]), binary.LittleEndian.Uint64(ends[8:])
	text := make([]byte, end-first)
	_, err := p.files[0].ReadAt(text, int64(first))
	return string(text), err
}

func (p *paths) close() error {
	var errs []error
	for _, f := range p.files {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	return errors.Join(errs...)
}
