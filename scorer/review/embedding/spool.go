package embedding

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
)

// A Spool takes vectors one after another into a temporary file without a name, in the folder
// for temporary files (TMPDIR): 4 bytes for each number.
type Spool struct {
	v   Vectors
	w   *bufio.Writer
	raw []byte
}

// NewSpool returns an empty Spool. Vectors or Close ends it.
func NewSpool() (*Spool, error) {
	f, err := os.CreateTemp("", "batchscore-vectors-")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(f.Name()); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &Spool{v: Vectors{file: f, size: 4}, w: bufio.NewWriterSize(f, blockBytes)}, nil
}

// Add adds the vector of the next row. All have the same number of numbers; nil, of a row
// without vector, is one of zeros.
func (s *Spool) Add(vector []float32) error {
	if vector != nil && s.v.dims == 0 {
		s.v.dims = len(vector)
		for range s.v.rows { // that had none
			if err := s.write(nil); err != nil {
				return err
			}
		}
	}
	if vector != nil && len(vector) != s.v.dims {
		return fmt.Errorf("vector %d has %d numbers, and those before it %d", s.v.rows, len(vector), s.v.dims)
	}
	s.v.rows++
	return s.write(vector)
}

func (s *Spool) write(vector []float32) error {
	if len(s.raw) < 4*s.v.dims {
		s.raw = make([]byte, 4*s.v.dims)
	}
	clear(s.raw)
	for i, x := range vector {
		binary.LittleEndian.PutUint32(s.raw[4*i:], math.Float32bits(x))
	}
	_, err := s.w.Write(s.raw)
	return err
}

// Vectors returns the vectors that were added, which the caller must close. It is called once.
func (s *Spool) Vectors() (*Vectors, error) {
	if err := s.w.Flush(); err != nil {
		return nil, errors.Join(err, s.v.file.Close())
	}
	s.v.dims = max(s.v.dims, 1)
	if s.v.dims == 1 && len(s.raw) == 0 {
		s.v.rows = 0 // no row had a vector
	}
	return &s.v, nil
}

// Close ends a Spool whose vectors are not wanted.
func (s *Spool) Close() error { return s.v.file.Close() }
