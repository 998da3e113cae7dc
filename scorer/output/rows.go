package output

import (
	"context"

	"github.com/batchscore/batchscore/scorer/store"
)

// Rows calls fn for the row of every image whose part stands, in manifest
// order, and stops at its first error and returns that. A part that does not
// fit the manifest is ErrMismatch. It holds one part in memory at a time.
func Rows(ctx context.Context, st store.Store, fn func(Row) error) error {
	job, err := ReadJob(ctx, st)
	if err != nil {
		return notOutput(st, err)
	}
	m, err := ReadManifest(ctx, st)
	if err != nil {
		return err
	}
	c := job.Chunks(m.Len())
	done, err := Done(ctx, st, c, job.Format)
	if err != nil {
		return err
	}
	for chunk := range c.Count() {
		if !done.Has(chunk) {
			continue
		}
		p, err := readPart(ctx, st, m, c, chunk, job.Format)
		if err != nil {
			return err
		}
		for _, row := range p.rows {
			if err := fn(row); err != nil {
				return err
			}
		}
	}
	return nil
}
