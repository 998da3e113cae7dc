package scorer

import (
	"context"

	"github.com/batchscore/batchscore/scorer/claim"
)

// feeder takes chunk after chunk, cuts each into batches and sends their images to
// the fetchers.
type feeder struct {
	taker    *taker
	claims   *claim.Claims
	holds    *holds
	chunks   *chunkPool
	batches  *batchPool
	isolator *isolator
	// assembler takes the images whose rows are copied, toFetch all others.
	assembler *assembler
	toFetch   chan<- item
}

func (f *feeder) run(ctx context.Context) error {
	for {
		index, ok, err := f.taker.take(ctx)
		if err != nil || !ok {
			return err
		}
		suspect, err := f.suspect(ctx, index)
		if err != nil {
			return err
		}
		if suspect {
			err = f.isolator.isolate(ctx, index)
		} else {
			err = f.cut(ctx, index)
		}
		if err != nil {
			return err
		}
	}
}

// deathsToSuspect is how many workers may die while they hold a chunk before it is
// suspected to be the cause. One death is an accident: a node that is taken away
// dies with chunks in hand.
const deathsToSuspect = 2

// suspect reports whether too many workers died while they held a chunk.
func (f *feeder) suspect(ctx context.Context, index int) (bool, error) {
	if f.holds.racing(claim.OnChunk(index)) {
		return false, nil
	}
	deaths, err := f.claims.Deaths(ctx, index)
	return deaths >= deathsToSuspect, err
}

// cut sends the images of one chunk to the fetchers, batch by batch.
func (f *feeder) cut(ctx context.Context, index int) error {
	c, err := f.chunks.open(ctx, index)
	if err != nil {
		return err
	}
	for offset := 0; offset < len(c.rows); offset += f.batches.size {
		b, err := f.batches.get(ctx)
		if err != nil {
			return err
		}
		b.chunk, b.offset, b.n = c, offset, min(f.batches.size, len(c.rows)-offset)
		b.unsettled.Store(int32(b.n))
		b.decoded.Store(0)
		for slot := range b.n {
			img := item{batch: b, slot: slot}
			if img.copied() {
				err = f.assembler.skip(ctx, img)
			} else {
				err = send(ctx, f.toFetch, img)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}
