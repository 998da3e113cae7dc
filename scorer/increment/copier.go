package increment

import (
	"context"
	"fmt"
	"sync"

	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/shard"
)

// Copier reads the rows that an increment copies from other outputs. It opens an output when
// the first of its rows is asked for. Any number of goroutines may use it.
type Copier struct {
	out   store.Store
	after *output.After

	mu      sync.Mutex
	sources map[int]*source
}

// source is an output that rows are copied from, and the chunk of it that was read last: the
// images of the next chunk often begin there.
type source struct {
	*output.SourceRows
	chunk int
	rows  []row.Row // of the chunk; nil before the first
}

// NewCopier returns a Copier for the increment out.
func NewCopier(out store.Store, job *output.Job) *Copier {
	return &Copier{out: out, after: job.After, sources: map[int]*source{}}
}

// Copy sets the rows of those entries that are copied. It reads each part of another output once
// for all entries. What is not what the entries say is output.ErrMismatch.
func (c *Copier) Copy(ctx context.Context, entries []shard.Entry, rows []row.Row) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range entries {
		e := &entries[i]
		if !e.Copied() {
			continue
		}
		r, err := c.row(ctx, e)
		if err != nil {
			return fmt.Errorf("copy the row of %q: %w", e.Path, err)
		}
		rows[i] = r
	}
	return nil
}

func (c *Copier) row(ctx context.Context, e *shard.Entry) (row.Row, error) {
	if i := e.FromOutput - 1; c.after == nil || i >= len(c.after.Sources) || e.FromRow >= c.after.Sources[i].Images {
		return row.Row{}, fmt.Errorf("%s: %w: its manifest refers to row %d of source %d, which its record does not have",
			c.out, output.ErrMismatch, e.FromRow, e.FromOutput)
	}
	s, err := c.source(ctx, e.FromOutput-1)
	if err != nil {
		return row.Row{}, err
	}
	chunk, first := s.ChunkOf(e.FromRow)
	if s.rows == nil || s.chunk != chunk {
		if s.rows, err = s.Chunk(ctx, chunk); err != nil {
			return row.Row{}, err
		}
		s.chunk = chunk
	}
	r := s.rows[e.FromRow-first]
	if name, err := r.Name(); err != nil || name != e.Source() || r.Size != e.Size {
		return row.Row{}, fmt.Errorf("%s: the content %w: row %d is %q of %d bytes, not %q of %d",
			s, output.ErrMismatch, e.FromRow, r.Path, r.Size, e.Source(), e.Size)
	}
	if e.From != "" {
		r.Path, r.PathBase64 = e.Path, ""
	}
	return r, nil
}

func (c *Copier) source(ctx context.Context, i int) (*source, error) {
	if s, ok := c.sources[i]; ok {
		return s, nil
	}
	rows, err := c.after.Sources[i].OpenRows(ctx, c.out)
	if err != nil {
		return nil, err
	}
	c.sources[i] = &source{SourceRows: rows}
	return c.sources[i], nil
}
