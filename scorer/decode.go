package scorer

import (
	"context"
	"time"

	"github.com/batchscore/batchscore/models/preprocess"
	"github.com/batchscore/batchscore/models/preprocess/codec"
	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/telemetry"
)

// decoders turn encoded images into pixels, each straight into its slot of the
// batch's tensor memory.
type decoders struct {
	in        <-chan item
	spec      preprocess.Spec
	bounds    preprocess.Options
	reader    *reader
	assembler *assembler
	counters  *telemetry.Counters
}

// run is one decoder.
func (d *decoders) run(ctx context.Context) error {
	decoder, err := preprocess.NewDecoder(d.spec, d.bounds)
	if err != nil {
		return err
	}
	defer decoder.Close()
	for img := range d.in {
		trace := img.batch.chunk.trace
		start := trace.Now()
		err := d.decode(ctx, decoder, img)
		trace.Note(telemetry.Decode, start)
		if err == nil {
			d.counters.Saw(decoder.Placement().Dark)
			d.assembler.accept(img, decoder.Placement())
			err = d.assembler.settle(ctx, img.batch)
		} else if bad := failure(err); bad != nil {
			err = d.assembler.fail(ctx, img, bad)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// decode decodes an image. It first reads one that was not read ahead.
func (d *decoders) decode(ctx context.Context, decoder *preprocess.Decoder, img item) error {
	if img.body == nil {
		return d.reader.decode(ctx, decoder, d.assembler.pixels(img), img)
	}
	defer d.reader.recycle(img.body)
	defer d.counters.Busy(telemetry.Decode, time.Now())
	err := decoder.DecodeWithin(ctx, d.assembler.pixels(img), img.body.data, img.body.memory.Bytes)
	return d.reader.wrapDecode(img, err)
}

// assembler completes batches, image by image. Its methods may be called from any
// number of goroutines, each with its own slot.
type assembler struct {
	stride int // bytes of one image in a batch
	ready  chan<- *batch
}

// pixels returns the tensor memory of an image.
func (a *assembler) pixels(img item) []byte {
	return img.batch.Pixels[img.slot*a.stride:][:a.stride]
}

// accept begins the row of an image that has pixels, which are where at says; the lane
// fills in its answer.
func (a *assembler) accept(img item, at preprocess.Placement) {
	img.batch.placements[img.slot] = at
	entry := img.entry()
	*img.row() = row.Row{Path: entry.Path, Size: entry.Size, Status: row.StatusOK}
	img.batch.decoded.Add(1)
}

// reject makes the row of an image that has no pixels. Its slot is scored all the
// same, as zeros. It must not keep the pixels of an earlier batch: a model that
// looks at the whole batch, as dynamic quantisation does, would give the image's
// neighbours other scores.
func (a *assembler) reject(img item, bad *codec.Failure) {
	clear(a.pixels(img))
	entry := img.entry()
	*img.row() = row.Row{Path: entry.Path, Size: entry.Size, Status: string(bad.Status), Error: bad.Reason}
}

// skip settles an image whose row is copied. Its slot is empty, as in reject.
func (a *assembler) skip(ctx context.Context, img item) error {
	clear(a.pixels(img))
	return a.settle(ctx, img.batch)
}

// fail rejects an image and settles it.
func (a *assembler) fail(ctx context.Context, img item, bad *codec.Failure) error {
	a.reject(img, bad)
	return a.settle(ctx, img.batch)
}

// settle counts one image of a batch as decoded, failed or dropped. After the last
// one it sends the batch to the lanes.
func (a *assembler) settle(ctx context.Context, b *batch) error {
	if b.unsettled.Add(-1) > 0 {
		return nil
	}
	return send(ctx, a.ready, b)
}
