package scorer

import (
	"context"
	"errors"

	"github.com/batchscore/batchscore/models/preprocess/codec"
	"github.com/batchscore/batchscore/scorer/telemetry"
)

// fetchers read the images' bytes, many at a time.
type fetchers struct {
	in        <-chan item
	out       chan<- item
	reader    *reader
	assembler *assembler
	hook      testHook
}

// run is one fetcher.
func (f *fetchers) run(ctx context.Context) error {
	for img := range f.in {
		if img.batch.chunk.dropped() {
			if err := f.assembler.settle(ctx, img.batch); err != nil {
				return err
			}
			continue
		}
		f.hook.at("before-read", img.batch.chunk.index)
		start := img.batch.chunk.trace.Now()
		b, err := f.reader.readAhead(ctx, img.entry())
		img.batch.chunk.trace.Note(telemetry.Fetch, start)
		f.hook.at("after-read", img.batch.chunk.index)
		if bad := failure(err); bad != nil {
			if err := f.assembler.fail(ctx, img, bad); err != nil {
				return err
			}
			continue
		}
		if err != nil && !errors.Is(err, errNotAhead) { // the decoder reads it
			return f.reader.wrap(img, err)
		}
		img.body = b
		if err := send(ctx, f.out, img); err != nil {
			return err
		}
	}
	return nil
}

// failure returns the failure of one image that err is, or nil.
func failure(err error) *codec.Failure {
	if err == nil {
		return nil // without allocating
	}
	var bad *codec.Failure
	errors.As(err, &bad)
	return bad
}
