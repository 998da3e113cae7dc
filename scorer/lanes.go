package scorer

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/telemetry"
)

// lanes run batches on the device, several at a time, and complete their rows.
type lanes struct {
	ready   <-chan *batch
	gate    *gate
	device  *device
	filler  *filler
	batches *batchPool
	scored  chan<- *chunk
	hook    testHook
}

// run is one lane. It sends a chunk to the committer after its last batch.
func (l *lanes) run(ctx context.Context) error {
	for queue := (&laneQueue{gate: l.gate, ready: l.ready}); ; {
		b, err := queue.next(ctx)
		if err != nil || b == nil {
			return err
		}
		c := b.chunk
		l.hook.at("before-infer", c.index)
		if b.decoded.Load() > 0 && !c.dropped() {
			if err := l.device.infer(ctx, b); err != nil {
				return err
			}
		}
		l.hook.at("after-infer", c.index)
		if !c.dropped() {
			if err := l.filler.fill(ctx, b, 0, b.n); err != nil {
				return err
			}
		}
		l.batches.put(b)
		if c.unscored.Add(-1) == 0 {
			if err := send(ctx, l.scored, c); err != nil {
				return err
			}
		}
	}
}

// filler turns what the model gives into rows and counts them.
type filler struct {
	width    int // numbers per image that the model gives
	device   *device
	counters *telemetry.Counters
	progress *telemetry.Progress
}

// count adds n images whose rows are final, failed of them without a label.
func (f *filler) count(n, failed int) {
	f.counters.Add(telemetry.Images, n)
	f.counters.Add(telemetry.Failed, failed)
	f.progress.Add(n, failed)
}

// fill completes the rows of images lo <= slot < hi of a scored batch. It scores a batch again
// in which the model gave an image NaN or infinity.
func (f *filler) fill(ctx context.Context, b *batch, lo, hi int) error {
	c := b.chunk
	failed, copied := 0, 0
	var none *row.Unanswerable
	broken := false
	for slot := lo; slot < hi; slot++ {
		r := &c.rows[b.offset+slot]
		if c.entries[b.offset+slot].Copied() {
			copied++
			continue
		}
		if r.Status != row.StatusOK {
			failed++
			continue
		}
		if err := c.answers.Fill(b.offset+slot, b.Scores[slot*f.width:][:f.width], b.placements[slot], r); errors.As(err, &none) {
			failed++
			*r = row.Row{Path: r.Path, Size: r.Size, Status: none.Status, Error: "the model's output for it " + none.Reason}
			broken = broken || none.Status == row.StatusNotFinite
		} else if err != nil {
			return fmt.Errorf("%w; nothing of chunk %d was written", err, c.index)
		}
	}
	if broken {
		if err := f.confirm(ctx, b, lo, hi); err != nil {
			return err
		}
	}
	f.count(hi-lo-copied, failed)
	f.progress.Add(copied, 0)
	return nil
}

// confirm scores a batch again in which the model's numbers for some images, lo <= slot < hi, are
// not finite. If one of them gets numbers now, or another image has lost its own, that is not a
// property of the image: the device is not to be trusted, nor are the other rows that it made.
func (f *filler) confirm(ctx context.Context, b *batch, lo, hi int) error {
	var finite []bool
	for slot := lo; slot < hi; slot++ {
		finite = append(finite, row.AllFinite(b.Scores[slot*f.width:][:f.width]))
	}
	if err := f.device.infer(ctx, b); err != nil {
		return err
	}
	if b.chunk.dropped() {
		return nil
	}
	for i, before := range finite {
		if now := row.AllFinite(b.Scores[(lo+i)*f.width:][:f.width]); now != before {
			order := "NaN or infinity for image %q, and numbers when asked again"
			if before {
				order = "numbers for image %q, and NaN or infinity when asked again"
			}
			return fmt.Errorf("%w: %s gave "+order+": look at its memory and its driver; nothing of chunk %d was written",
				models.ErrDevice, f.device.engine.Device(), b.chunk.rows[b.offset+lo+i].Path, b.chunk.index)
		}
	}
	return nil
}

// gate lets the last batch of a chunk go to the device only once the chunk before
// it is committed. So a crash costs at most one chunk that was scored and not
// committed.
type gate struct {
	taken chan struct{} // holds a token from a chunk's last batch to its commit
	held  chan *batch   // last batches that are held back
	due   chan *batch   // last batches that may go
	open  atomic.Int32  // lanes that may still hold back a batch
}

// newGate returns the gate of a number of lanes. There are at most that many
// batches.
func newGate(lanes, batches int) *gate {
	g := &gate{taken: make(chan struct{}, 1), held: make(chan *batch, batches), due: make(chan *batch)}
	g.open.Store(int32(lanes))
	return g
}

// enter waits until the chunk before is committed. leave follows after the commit.
func (g *gate) enter(ctx context.Context) error { return send(ctx, g.taken, struct{}{}) }

func (g *gate) leave() { <-g.taken }

// tryEnter enters if that is possible at once, and holds the batch back otherwise.
func (g *gate) tryEnter(b *batch) bool {
	select {
	case g.taken <- struct{}{}:
		return true
	default:
		g.held <- b // never blocks: its capacity is the number of batches
		return false
	}
}

// releaseHeld releases held-back batches, the oldest first whichever lane held it
// back, each once the chunk before it is committed.
func (g *gate) releaseHeld(ctx context.Context) error {
	defer close(g.due)
	for {
		select {
		case b, ok := <-g.held:
			if !ok {
				return nil
			}
			if err := g.enter(ctx); err != nil {
				return err
			}
			if err := send(ctx, g.due, b); err != nil {
				return err
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// laneQueue gives one lane its batches.
type laneQueue struct {
	gate  *gate
	ready <-chan *batch // nil after the last one
}

// next returns the next batch to score, nil after the last one. While the last
// batch of a chunk is held back, batches of later chunks go first.
func (q *laneQueue) next(ctx context.Context) (*batch, error) {
	for {
		select {
		case b := <-q.gate.due: // before what is ready: it has waited
			return b, context.Cause(ctx)
		default:
		}
		select {
		case b := <-q.gate.due: // nil once it is closed
			return b, context.Cause(ctx)
		case b, ok := <-q.ready:
			switch {
			case !ok:
				q.ready = nil
				if q.gate.open.Add(-1) == 0 {
					close(q.gate.held)
				}
			case b.chunk.unstarted.Add(-1) > 0, q.gate.tryEnter(b):
				return b, nil
			}
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}
