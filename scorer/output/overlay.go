package output

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/batchscore/batchscore/scorer/row"
)

// overlay puts newer rows in the place of older ones of the same images. Both
// come in the order of a manifest, so that neither is held as a whole.
type overlay struct {
	equal func(a, b *row.Row) bool
	next  func() (row.Row, error, bool)
	stop  func()
	row   row.Row // the next newer one, unless over
	path  string
	over  bool
	err   error
	used  int
}

// newOverlay returns an overlay of those newer rows, which the caller closes.
// equal compares two rows.
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

// replace puts newer rows in the place of older ones, in rows itself, and reports
// whether any differs. Rows come in order from call to call; newer ones of images
// between two calls are passed over.
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

// rows are those of a folder, in the order of its manifest.
func (f *folder) rows(ctx context.Context) iter.Seq2[row.Row, error] {
	enough := errors.New("enough")
	return func(yield func(row.Row, error) bool) {
		err := f.parts(ctx, func(p part) error {
			for _, r := range p.rows {
				if !yield(r, nil) {
					return enough
				}
			}
			return nil
		})
		if err != nil && !errors.Is(err, enough) {
			yield(row.Row{}, err)
		}
	}
}
