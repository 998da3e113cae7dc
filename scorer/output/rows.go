package output

import (
	"context"

	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store"
)

// Rows calls fn for the row of every image whose part stands, in manifest
// order, and stops at its first error and returns that. A part that does not
// fit the manifest is ErrMismatch; once the job is complete so is one, after its
// rows, that is not what it was then. It holds a few parts in memory at a time.
func Rows(ctx context.Context, st store.Store, fn func(row.Row) error) error {
	f, err := openFolder(ctx, st)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.undisturbed(ctx, f.eachRow(ctx, fn))
}

func (f *folder) eachRow(ctx context.Context, fn func(row.Row) error) error {
	var lines []byte
	if err := f.parts(ctx, func(p part) error {
		lines = appendDigest(lines, p.digest, p.name)
		for _, r := range p.rows {
			if err := fn(r); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		return err
	}
	if !f.done.All() {
		return nil
	}
	return f.proven(lines)
}
