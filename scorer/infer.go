package scorer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/telemetry"
)

// infer is one lane: it scores the batches that are ready and hands a chunk on
// when its last batch is scored.
func (p *pipeline) infer(ctx context.Context) error {
	for l := (&lane{pipeline: p, ready: p.ready}); ; {
		b, err := l.next(ctx)
		if err != nil || b == nil {
			return err
		}
		c := b.chunk
		p.at("before-infer", c.index)
		if b.decoded.Load() > 0 && !c.dropped() {
			if err := p.score(ctx, b); err != nil {
				return err
			}
		}
		p.at("after-infer", c.index)
		if !c.dropped() {
			if err := p.fill(b, 0, b.n); err != nil {
				return err
			}
		}
		p.free <- b // never blocks: its capacity is the number of batches
		if c.unscored.Add(-1) == 0 {
			if err := send(ctx, p.scored, c); err != nil {
				return err
			}
		}
	}
}

// lane chooses the batches that one goroutine scores.
type lane struct {
	*pipeline
	ready <-chan *batch // nil after the last one
}

// next returns the next batch to score, nil after the last one.
//
// A chunk is not finished before the one finished last is committed, so that a
// crash costs at most one chunk of work. Until that commit stands, the last
// batch of a chunk is held back and others, of later chunks, go first.
func (l *lane) next(ctx context.Context) (*batch, error) {
	for {
		select {
		case b := <-l.due: // before what is ready: it has waited
			return b, context.Cause(ctx)
		default:
		}
		select {
		case b := <-l.due: // nil once it is closed
			return b, context.Cause(ctx)
		case b, ok := <-l.ready:
			switch {
			case !ok:
				l.ready = nil
				if l.undrained.Add(-1) == 0 {
					close(l.last)
				}
			case b.chunk.unstarted.Add(-1) > 0:
				return b, nil
			default:
				select {
				case l.uncommitted <- struct{}{}:
					return b, nil
				default:
					l.last <- b // never blocks: its capacity is the number of batches
				}
			}
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// letGo lets the last batches that are held back go, the oldest first whichever
// lane held it back, each when the commit before it stands.
func (p *pipeline) letGo(ctx context.Context) error {
	for {
		select {
		case b, ok := <-p.last:
			if !ok {
				return nil
			}
			if err := send(ctx, p.uncommitted, struct{}{}); err != nil {
				return err
			}
			if err := send(ctx, p.due, b); err != nil {
				return err
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// score runs a batch, in halves from the moment that the device has shown it
// cannot hold more. It ends early when the batch's chunk is dropped.
func (p *pipeline) score(ctx context.Context, b *batch) error {
	defer p.Counters.Busy(telemetry.Infer, time.Now())
	run, end := context.WithCancel(ctx)
	defer end()
	go func(gone <-chan struct{}) { // batch and chunk may be others' before it ends
		select {
		case <-gone:
			end()
		case <-run.Done():
		}
	}(b.chunk.hold.gone)
	for lo := 0; lo < b.n; {
		n := min(b.n-lo, int(p.batchLimit.Load()))
		err := p.Engine.Score(run, b.Batch, lo, lo+n)
		switch {
		case err == nil:
			lo += n
		case b.chunk.dropped() && ctx.Err() == nil:
			return nil
		case errors.Is(err, models.ErrOutOfMemory) && n > 1:
			// Several lanes may run out at once; the limit only ever falls.
			for old := p.batchLimit.Load(); int(old) > n/2; old = p.batchLimit.Load() {
				if p.batchLimit.CompareAndSwap(old, int32(n/2)) {
					p.Log.Warn().Str("device", p.Engine.Device()).Int("batch", n).Int("now", n/2).
						Msg("device out of memory: batch halved, the run goes on")
				}
			}
		default:
			return fmt.Errorf("score images of chunk %d on %s: %w", b.chunk.index, p.Engine.Device(), err)
		}
	}
	return nil
}

// fill completes the rows of images lo <= slot < hi of a scored batch.
func (p *pipeline) fill(b *batch, lo, hi int) error {
	c, width := b.chunk, p.Contract.Classes
	failed := 0
	for slot := lo; slot < hi; slot++ {
		r := &c.rows[b.offset+slot]
		if r.Status != row.StatusOK {
			failed++
			continue
		}
		if err := c.answers.Fill(b.offset+slot, b.Scores[slot*width:][:width], r); err != nil {
			return fmt.Errorf("%w; nothing of chunk %d was written", err, c.index)
		}
	}
	p.Counters.Scored(hi-lo, failed)
	p.Progress.Add(hi-lo, failed)
	return nil
}
