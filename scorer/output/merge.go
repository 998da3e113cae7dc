package output

import (
	"cmp"
	"context"
	"fmt"
	"io"

	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store"
)

// MergeOptions say how Merge writes rows.
type MergeOptions struct {
	// Format is that of the file; empty is that of the parts.
	Format row.Format
	// Absolute gives each image its full address instead of its name. The address is
	// that of the job record, so it does not depend on where the parts are merged.
	Absolute bool
}

// Merge writes the rows of all parts to w as one file, in manifest order. If a part is missing, it writes nothing
// and returns ErrIncomplete, or ErrMismatch if the output was complete. It compares
// each part with the manifest and, if the job is complete, all of them with their
// digests; ErrMismatch means that one differs. It holds a few parts in memory at a
// time, and for Parquet one row group.
//
// Rows are typed as the job's parts are, so an output always merges to the same
// bytes.
//
// After an error the caller must throw away what was written.
func Merge(ctx context.Context, st store.Store, w io.Writer, opt MergeOptions) error {
	in, err := openFolder(ctx, st)
	if err != nil {
		return err
	}
	defer in.Close()
	return in.undisturbed(ctx, in.merge(ctx, w, opt))
}

func (f *folder) merge(ctx context.Context, w io.Writer, opt MergeOptions) error {
	if missing := missingParts(f.st, f.done, f.job.PartNames(f.chunks)); missing != nil && f.state.success != nil {
		return goneParts(f.st, missing)
	} else if missing != nil {
		return unfinished(missing)
	}
	schema := f.job.Schema()
	schema.Format = cmp.Or(opt.Format, schema.Format)
	out, err := schema.NewWriter(w)
	if err != nil {
		return err
	}
	var lines []byte
	if err := f.parts(ctx, func(p part) error {
		lines = appendDigest(lines, p.digest, p.name)
		if opt.Absolute {
			if err := f.job.address(p.rows); err != nil {
				return fmt.Errorf("merge %s: %w", p.name, err)
			}
		}
		if err := out.Write(p.rows); err != nil {
			return fmt.Errorf("merge %s: %w", p.name, err)
		}
		return nil
	}); err != nil {
		return err
	}
	if err := f.proven(lines); err != nil {
		return err
	}
	if err := out.Close(); err != nil {
		return fmt.Errorf("merge: %w", err)
	}
	return nil
}

// address gives rows the full addresses of their images.
func (j *Job) address(rows []row.Row) error {
	for i := range rows {
		name, err := rows[i].Name()
		if err != nil {
			return fmt.Errorf("%w: %w", ErrMismatch, err)
		}
		// The exact bytes, if they are not UTF-8, are kept where the row is written.
		rows[i].Path, rows[i].PathBase64 = j.Address(name), ""
	}
	return nil
}
