package output

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/batchscore/batchscore/scorer/row"
)

// overlay replaces rows with newer ones of the same images. Both come in manifest
// order, so that neither is held in memory as a whole.
type overlay struct {
	equal func(a, b *row.Row) bool
	next  func() (row.Row, error, bool)
	stop  func()
	row   row.Row // the next newer row, unless over
	path  string  // of row
	over  bool    // there are no more newer rows
	err   error   // of the newer rows
	used  int     // newer rows that had an older one
}

// newOverlay returns an overlay with those newer rows. equal compares two rows. The
// caller closes the overlay.
func newOverlay(newer iter.Seq2[row.Row, error], equal func(a, b *row.Row) bool) *overlay {
	o := &overlay{equal: equal}
	o.next, o.stop = iter.Pull2(newer)
	o.advance()
	return o
}

func (o *overlay) close() { o.stop() }

func (o *overlay) advance() {
	var ok bool
	if o.row, o.err, ok = o.next(); !ok || o.err != nil {
		o.over = true
		return
	}
	o.path, o.err = o.row.Name()
	o.over = o.err != nil
}

// replace replaces elements of rows with newer rows, and reports whether any of them
// differs. Rows must come in order from call to call. It skips newer rows of images
// that are between those of two calls.
func (o *overlay) replace(rows []row.Row) (changed bool, err error) {
	for i := range rows {
		path, err := rows[i].Name()
		if err != nil {
			return changed, fmt.Errorf("%w: %w", ErrMismatch, err)
		}
		for !o.over && o.path < path {
			o.advance()
		}
		if o.err != nil {
			return changed, o.err
		}
		if o.over || o.path != path {
			continue
		}
		if !o.equal(&rows[i], &o.row) {
			rows[i], changed = o.row, true
		}
		o.used++
		o.advance()
	}
	return changed, o.err
}

// rows returns the rows of a folder in manifest order.
func (f *folder) rows(ctx context.Context) iter.Seq2[row.Row, error] {
	stopped := errors.New("the caller wants no more rows")
	return func(yield func(row.Row, error) bool) {
		err := f.parts(ctx, func(p part) error {
			for _, r := range p.rows {
				if !yield(r, nil) {
					return stopped
				}
			}
			return nil
		})
		if err != nil && !errors.Is(err, stopped) {
			yield(row.Row{}, err)
		}
	}
}
