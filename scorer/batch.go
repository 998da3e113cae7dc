package scorer

import (
	"context"
	"time"

	"github.com/batchscore/batchscore/scorer/claim"
)

// feed takes chunk after chunk, cuts each into batches and sends their images
// to be fetched. The number of batches bounds how far it runs ahead.
func (p *pipeline) feed(ctx context.Context) error {
	for {
		index, ok, err := p.taker.next(ctx)
		if err != nil || !ok {
			return err
		}
		suspect, err := p.suspect(ctx, index)
		if err != nil {
			return err
		}
		if suspect {
			err = p.isolate(ctx, index)
		} else {
			err = p.cut(ctx, index)
		}
		if err != nil {
			return err
		}
	}
}

// cut sends the images of one chunk on their way.
func (p *pipeline) cut(ctx context.Context, index int) error {
	c, err := p.begin(index)
	if err != nil {
		return err
	}
	for offset := 0; offset < len(c.rows); offset += p.Batch {
		b, err := p.acquire(ctx)
		if err != nil {
			return err
		}
		b.chunk, b.offset, b.n = c, offset, min(p.Batch, len(c.rows)-offset)
		b.unsettled.Store(int32(b.n))
		b.decoded.Store(0)
		for slot := range b.n {
			if err := send(ctx, p.toFetch, item{batch: b, slot: slot}); err != nil {
				return err
			}
		}
	}
	return nil
}

// begin is the chunk of that index, in memory that was used before.
func (p *pipeline) begin(index int) (*chunk, error) {
	var c *chunk
	select {
	case c = <-p.spent:
	default:
		c = &chunk{answers: p.schema.NewAnswers(&p.Contract, p.Job.TopK)}
	}
	first, last := p.Chunks.Range(index)
	entries, err := p.Manifest.Entries(c.entries, first, last)
	if err != nil {
		return nil, err
	}
	c.reset(p.taker.inHand(claim.OnChunk(index)), index, entries, p.Batch)
	return c, nil
}

// acquire returns a batch that nobody owns, a new one where the read-ahead
// allows for more than there are.
func (p *pipeline) acquire(ctx context.Context) (*batch, error) {
	select {
	case b := <-p.free:
		return b, nil
	default:
	}
	if ahead := (p.ahead.images() + p.Batch - 1) / p.Batch; p.made < min(p.core+ahead, cap(p.free)) {
		b, err := p.Engine.NewBatch(p.Batch)
		if err != nil {
			return nil, err
		}
		p.made++
		return &batch{Batch: b}, nil
	}
	for {
		look := time.NewTimer(p.taker.interval())
		select {
		case b := <-p.free:
			look.Stop()
			return b, nil
		case <-ctx.Done():
			look.Stop()
			return nil, context.Cause(ctx)
		case <-look.C:
			// What is on the device may be another's work by now.
			if err := p.taker.look(ctx); err != nil {
				return nil, err
			}
		}
	}
}
