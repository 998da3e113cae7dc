package output

import (
	"context"
	"fmt"
	"io"

	"github.com/batchscore/batchscore/scorer/store"
)

// MergeOptions changes what Merge takes; its zero value is strict.
type MergeOptions struct {
	// AllowIncomplete passes over chunks whose part is missing.
	AllowIncomplete bool
}

// Merge writes the rows of all parts to w as one file, in manifest order, in
// format f, or in that of the parts if f is empty. Each part is checked against
// the manifest on the way; ErrMismatch says that one does not fit. Unless told
// otherwise it returns ErrIncomplete, before it writes anything, while a part
// is missing. It holds one part in memory at a time, and for Parquet one row
// group.
//
// After an error, what w got is to be thrown away.
func Merge(ctx context.Context, st store.Store, w io.Writer, f Format, opt MergeOptions) error {
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
	if n := c.Count() - done.Count(); n > 0 && !opt.AllowIncomplete {
		return fmt.Errorf("%w: %d of %d parts are missing from %s, the first is %s; finish the run first",
			ErrIncomplete, n, c.Count(), st, PartName(firstMissing(done), job.Format))
	}
	if f == "" {
		f = job.Format
	}
	out, err := newRowWriter(w, f)
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
		if err := out.Write(p.rows); err != nil {
			return fmt.Errorf("merge %s: %w", p.name, err)
		}
	}
	if err := out.Close(); err != nil {
		return fmt.Errorf("merge: %w", err)
	}
	return nil
}
