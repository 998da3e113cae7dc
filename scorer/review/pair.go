package review

import (
	"context"

	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store"
)

// RowsOf returns a function that returns the row of an image in an output, nil if it has none.
// It is called with paths in increasing order, and reads the output once. The caller calls
// stop.
func RowsOf(ctx context.Context, st store.Store) (of func(path string) (*row.Row, error), stop func()) {
	r := newReader(ctx, st)
	return func(path string) (*row.Row, error) {
		one, err := r.of(path, nil)
		if one == nil {
			return nil, err
		}
		return &one.row, err
	}, r.stop
}
