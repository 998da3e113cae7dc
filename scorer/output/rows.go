package output

import (
	"context"

	"github.com/batchscore/batchscore/scorer/store"
)

// Rows calls fn for the row of every image whose part stands, in manifest
// order, and stops at its first error and returns that. A part that does not
// fit the manifest is ErrMismatch. It holds a few parts in memory at a time.
func Rows(ctx context.Context, st store.Store, fn func(Row) error) error {
	f, err := openFolder(ctx, st)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.parts(ctx, func(p part) error {
		for _, row := range p.rows {
			if err := fn(row); err != nil {
				return err
			}
		}
		return nil
	})
}
