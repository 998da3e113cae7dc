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
// is missing. It holds a few parts in memory at a time, and for Parquet one row
// group.
//
// After an error, what w got is to be thrown away.
func Merge(ctx context.Context, st store.Store, w io.Writer, f Format, opt MergeOptions) error {
	in, err := openFolder(ctx, st)
	if err != nil {
		return err
	}
	defer in.Close()
	if !opt.AllowIncomplete {
		if err := missingParts(st, in.done, in.job.Format); err != nil {
			return err
		}
	}
	if f == "" {
		f = in.job.Format
	}
	out, err := newRowWriter(w, f)
	if err != nil {
		return err
	}
	if err := in.parts(ctx, func(p part) error {
		if err := out.Write(p.rows); err != nil {
			return fmt.Errorf("merge %s: %w", p.name, err)
		}
		return nil
	}); err != nil {
		return err
	}
	if err := out.Close(); err != nil {
		return fmt.Errorf("merge: %w", err)
	}
	return nil
}
