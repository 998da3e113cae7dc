package serve

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/telemetry/printable"
	"github.com/batchscore/batchscore/shard"
)

// An increment keeps rows of other outputs. Its own rows are shown while it is worked on, and those
// of its whole collection once it is complete.

const (
	// wholeRows is how many rows of a collection an index takes as one part.
	wholeRows = 4096
	// again is how long it takes until a collection that could not be read is read again.
	again = time.Minute
)

// gathering is how far the rows of a collection were read.
type gathering struct {
	read    int // rows; guarded by watcher.mu, as is trouble
	trouble string
	failed  time.Time
	done    bool
}

// due reports whether the rows of a collection should be read now.
func (w *watcher) due(p *output.Progress) bool {
	r := w.now
	return p.Increment != nil && r != nil && r.images != nil && !r.whole.done && time.Since(r.whole.failed) > again
}

// gather reads the rows of the collection, and shows them.
func (w *watcher) gather(ctx context.Context) {
	r := w.now
	err := w.readWhole(ctx, r)
	w.mu.Lock()
	defer w.mu.Unlock()
	r.whole.trouble = ""
	switch {
	case err == nil:
		r.whole.done = true
	case errors.Is(err, output.ErrIncomplete): // a retry has begun, whose rows are looked at when they are there
	default:
		r.whole.failed = time.Now()
		r.whole.trouble = "Rows of other outputs are not shown: " + err.Error()
	}
}

func (w *watcher) readWhole(ctx context.Context, r *reading) (err error) {
	l, err := output.OpenLookup(ctx, w.opt.Out)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			l.Close()
		}
	}()
	x := newIndex()
	own := shard.NewWalk(r.images)
	rows, times := make([]row.Row, 0, wholeRows), make([]time.Time, 0, wholeRows)
	flush := func() error {
		x.addAt(output.SeenPart{Chunk: x.rows / wholeRows, First: x.rows, Rows: rows}, func(i int) time.Time { return times[i] })
		n := len(rows)
		clear(rows)
		rows, times = rows[:0], times[:0]
		w.mu.Lock()
		r.whole.read, w.began = x.rows, time.Now()
		w.mu.Unlock()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pace * time.Duration(n)):
			return nil
		}
	}
	if err := output.Results(ctx, w.opt.Out, func(e shard.Entry, one row.Row) error {
		var at time.Time // stays zero for rows of other outputs
		if own.Seek(e.Path) {
			if p, _ := r.rows.find(own.Index); p != nil {
				at = p.created
			}
		}
		rows, times = append(rows, one), append(times, at)
		if len(rows) < wholeRows {
			return nil
		}
		return flush()
	}); err != nil {
		return err
	}
	if err := cmp.Or(flush(), own.Err); err != nil {
		return err
	}
	if x.rows != l.Images().Len() {
		return fmt.Errorf("%w: %d rows of %d; the output changes while it is read", output.ErrIncomplete, x.rows, l.Images().Len())
	}
	w.show(&shown{job: r.observer.Job(), images: l.Images(), rows: x, own: r.rows, whole: l})
	return nil
}

// collected is what readers are told of the collection of an increment.
type collected struct {
	Images int `json:"images"`
	// Text says what was kept and scored.
	Text string `json:"text"`
	// Shown reports whether the rows and counts are those of the collection, and not the own ones of
	// the output. Read is how many rows of it were read so far.
	Shown bool `json:"shown"`
	Read  int  `json:"read"`
}

// collection adds what is known of the collection of an increment. w.mu is held.
func (w *watcher) collection(s *seen) {
	i := w.progress.Increment
	if i == nil {
		return
	}
	c := &collected{Images: i.Images, Text: i.Text()}
	_ = w.with(func(v *shown) error { // without rows, those of the collection are not shown
		c.Shown = v.whole != nil
		return nil
	})
	if w.gathering != nil {
		c.Read = w.gathering.read
		s.Trouble = cmp.Or(s.Trouble, printable.Line(w.opt.clean(w.gathering.trouble)))
	}
	if c.Shown {
		s.Statuses, s.Failed = []counted{}, i.Failed
		for name, n := range i.Statuses {
			s.Statuses = append(s.Statuses, counted{name, n})
		}
	}
	s.Collection = c
}
