package review

import (
	"context"
	"errors"
	"iter"

	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/shard"
)

// result is the row of an image with its entry.
type result struct {
	entry shard.Entry
	row   row.Row
}

// reader reads the rows of an output one after another.
type reader struct {
	next func() (result, bool)
	stop func()
	err  *error

	last result // read and not used yet
	has  bool
}

// errEnough ends a pass over rows before its end.
var errEnough = errors.New("no more rows are wanted")

// newReader returns a reader of an output. The caller calls stop.
func newReader(ctx context.Context, st store.Store) *reader {
	var failed error
	next, stop := iter.Pull(func(yield func(result) bool) {
		err := output.Results(ctx, st, func(e shard.Entry, r row.Row) error {
			if !yield(result{e, r}) {
				return errEnough
			}
			return nil
		})
		if !errors.Is(err, errEnough) {
			failed = err
		}
	})
	return &reader{next: next, stop: stop, err: &failed}
}

// of returns the row of an image; nil if the output has none. It is called with paths in
// increasing order. passed, unless nil, is called for each row that is passed over.
func (r *reader) of(path string, passed func(*result)) (*result, error) {
	for {
		if !r.has {
			if r.last, r.has = r.next(); !r.has {
				return nil, *r.err
			}
		}
		switch {
		case r.last.entry.Path == path:
			r.has = false
			return &r.last, nil
		case r.last.entry.Path > path:
			return nil, nil
		}
		r.has = false
		if passed != nil {
			passed(&r.last)
		}
	}
}

// rest calls passed for each row that is left.
func (r *reader) rest(passed func(*result)) error {
	if r.has {
		r.has = false
		passed(&r.last)
	}
	for {
		one, ok := r.next()
		if !ok {
			return *r.err
		}
		passed(&one)
	}
}

// differs reports whether another output answers otherwise for an image.
func differs(sub *subject, o *Other) bool {
	if sub.row.Status != o.Status {
		return true
	}
	return sub.answer != nil && sub.answer.Label != o.Label
}

// flipOf names how the answers of two outputs differ: that there, and that here.
func flipOf(sub *subject, o *Other) string {
	here := sub.row.Status
	if sub.answer != nil {
		here = sub.answer.Label
	}
	there := o.Status
	if o.Status == row.StatusOK {
		there = o.Label
	}
	return there + " → " + here
}
