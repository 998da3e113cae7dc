package scorer

import "context"

// feed takes chunk after chunk, cuts each into batches and sends their images
// to be fetched. The number of batches bounds how far it runs ahead.
func (p *pipeline) feed(ctx context.Context) error {
	for {
		index, ok, err := p.taker.next(ctx)
		if err != nil || !ok {
			return err
		}
		if err := p.cut(ctx, index); err != nil {
			return err
		}
	}
}

// cut sends the images of one chunk on their way.
func (p *pipeline) cut(ctx context.Context, index int) error {
	var c *chunk
	select {
	case c = <-p.spent:
	default:
		c = new(chunk)
	}
	first, last := p.Chunks.Range(index)
	c.reset(index, first, last-first, p.Batch, p.TopK)
	for offset := 0; offset < len(c.rows); offset += p.Batch {
		var b *batch
		select {
		case b = <-p.free:
		case <-ctx.Done():
			return context.Cause(ctx)
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
