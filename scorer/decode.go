package scorer

import (
	"context"
	"time"

	"github.com/batchscore/batchscore/models/preprocess"
	"github.com/batchscore/batchscore/models/preprocess/codec"
	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/telemetry"
)

// decode turns bodies into pixels, each straight into its slot of the batch's
// tensor memory.
func (p *pipeline) decode(ctx context.Context) error {
	d, err := preprocess.NewDecoder(p.Contract.Preprocess, p.Decode)
	if err != nil {
		return err
	}
	defer d.Close()
	stride := p.Contract.Preprocess.RowBytes()
	for img := range p.toDecode {
		start := time.Now()
		err := d.Decode(img.batch.Pixels[img.slot*stride:][:stride], img.body.data)
		p.Counters.Busy(telemetry.Decode, start)
		p.release(img.body)
		if err == nil {
			p.label(img)
			img.batch.decoded.Add(1)
			err = p.settle(ctx, img.batch)
		} else if bad := failure(err); bad != nil {
			err = p.fail(ctx, img, bad)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// label opens the row of an image that has pixels; the lane fills in its
// answer.
func (p *pipeline) label(img item) {
	entry := img.entry()
	*img.row() = row.Row{Path: entry.Path, Size: entry.Size, Status: row.StatusOK}
}

// fail settles an image that has no pixels.
func (p *pipeline) fail(ctx context.Context, img item, bad *codec.Failure) error {
	p.reject(img, bad)
	return p.settle(ctx, img.batch)
}

// reject makes the row of an image that has no pixels. Its slot is scored all
// the same, as zeros: not what an earlier batch left there, lest a model that
// looks at the whole batch (dynamic quantisation does) gave its neighbours other
// scores.
func (p *pipeline) reject(img item, bad *codec.Failure) {
	stride := p.Contract.Preprocess.RowBytes()
	clear(img.batch.Pixels[img.slot*stride:][:stride])
	entry := img.entry()
	*img.row() = row.Row{Path: entry.Path, Size: entry.Size, Status: string(bad.Status), Error: bad.Reason}
}

// settle books one image of b as decoded or failed, and hands the batch on
// once that holds for all.
func (p *pipeline) settle(ctx context.Context, b *batch) error {
	if b.unsettled.Add(-1) > 0 {
		return nil
	}
	return send(ctx, p.ready, b)
}
