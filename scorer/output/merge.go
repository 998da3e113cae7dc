package output

import (
	"context"
	"fmt"
	"io"

	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store"
)

// Merge writes the rows of all parts to w as one file, in manifest order, in format
// f, or in that of the parts if f is empty. If a part is missing, it writes nothing
// and returns ErrIncomplete, or ErrMismatch if the output was complete. It compares
// each part with the manifest and, if the job is complete, all of them with their
// digests; ErrMismatch means that one differs. It holds a few parts in memory at a
// time, and for Parquet one row group.
//
// Rows are typed as the job's parts are, so an output always merges to the same
// bytes.
//
// After an error the caller must throw away what was written.
func Merge(ctx context.Context, st store.Store, w io.Writer, f row.Format) error {
	in, err := openFolder(ctx, st)
	if err != nil {
		return err
	}
	defer in.Close()
	return in.undisturbed(ctx, in.merge(ctx, w, f))
}

func (f *folder) merge(ctx context.Context, w io.Writer, to row.Format) error {
	if missing := missingParts(f.st, f.done, f.job.Format); missing != nil && f.state.success != nil {
		return goneParts(f.st, missing)
	} else if missing != nil {
		return unfinished(missing)
	}
	schema := f.job.Schema()
	if to != "" {
		schema.Format = to
	}
	out, err := schema.NewWriter(w)
	if err != nil {
		return err
	}
	var lines []byte
	if err := f.parts(ctx, func(p part) error {
		lines = appendDigest(lines, p.digest, p.name)
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
