package scorer

import (
	"context"
	"errors"
	"fmt"

	"github.com/batchscore/batchscore/models/preprocess"
	"github.com/batchscore/batchscore/models/preprocess/codec"
	"github.com/batchscore/batchscore/scorer/claim"
	"github.com/batchscore/batchscore/scorer/row"
)

// deathsToSuspect is how many workers may die with a chunk in hand before it is
// suspected to be the cause. One death is an accident; a node that is taken away
// takes the chunks in its hand with it.
const deathsToSuspect = 2

// deathsToConvict is how many workers may die on a single image, alone, before
// it is quarantined.
const deathsToConvict = 2

// suspect reports whether a chunk has outlived too many workers.
func (p *pipeline) suspect(ctx context.Context, index int) (bool, error) {
	if p.taker.inHand(claim.OnChunk(index)).doubles {
		return false, nil
	}
	deaths, err := p.claims.Deaths(ctx, index)
	return deaths >= deathsToSuspect, err
}

// isolate does a suspected chunk with nothing else in hand, range by range: it
// notes each range in the store before it touches it. A range that an earlier
// worker died on is halved; a single image that workers keep dying on gets a
// row that says so, and the rest is scored. The images keep their slots in
// their batches, whose other slots are zeros, so that the scores are those of an
// undisturbed run.
func (p *pipeline) isolate(ctx context.Context, index int) error {
	if err := p.alone(ctx); err != nil {
		return err
	}
	p.Log.Warn().Int("chunk", index).Msg("workers died on this chunk: trying its images in halves to find the one that kills")
	trials, err := p.claims.ReadTrials(ctx, index)
	if err != nil {
		return err
	}
	d, err := preprocess.NewDecoder(p.Contract.Preprocess, p.Decode)
	if err != nil {
		return err
	}
	defer d.Close()
	b, err := p.acquire(ctx)
	if err != nil {
		return err
	}
	s := &search{pipeline: p, trials: trials, decoder: d, batch: b}
	if b.chunk, err = p.begin(index); err != nil {
		return err
	}
	if err := s.try(ctx, 0, len(b.chunk.rows)); err != nil {
		return err
	}
	c := b.chunk
	p.free <- b
	if err := send(ctx, p.uncommitted, struct{}{}); err != nil {
		return err
	}
	return send(ctx, p.scored, c)
}

// alone waits until one chunk only is in hand.
func (p *pipeline) alone(ctx context.Context) error {
	for len(p.taker.holding()) > 1 {
		if err := p.taker.rest(ctx, lastPause); err != nil {
			return err
		}
	}
	return nil
}

// search looks for the image of a chunk that kills.
type search struct {
	*pipeline
	trials  *claim.Trials
	decoder *preprocess.Decoder
	batch   *batch
}

// try scores images lo <= i < hi of the chunk, or what of them can be.
func (s *search) try(ctx context.Context, lo, hi int) error {
	deaths := s.trials.Deaths(lo, hi)
	switch {
	case deaths >= deathsToConvict && hi-lo == 1:
		s.quarantine(lo, deaths)
		return nil
	case deaths > 0 && hi-lo > 1:
		mid := lo + (hi-lo)/2
		if err := s.try(ctx, lo, mid); err != nil {
			return err
		}
		return s.try(ctx, mid, hi)
	}
	if err := s.trials.Begin(ctx, lo, hi); err != nil {
		return err
	}
	for offset := lo / s.Batch * s.Batch; offset < hi; offset += s.Batch {
		if err := s.score(ctx, offset, max(lo-offset, 0), min(hi-offset, s.Batch)); err != nil {
			return err
		}
	}
	return s.trials.Pass(ctx, lo, hi)
}

// score does the slots lo <= slot < hi of the batch that begins at an offset.
func (s *search) score(ctx context.Context, offset, lo, hi int) error {
	b := s.batch
	b.offset, b.n = offset, min(s.Batch, len(b.chunk.rows)-offset)
	b.decoded.Store(0)
	clear(b.Pixels)
	for slot := lo; slot < hi; slot++ {
		if err := s.load(ctx, item{batch: b, slot: slot}); err != nil {
			return err
		}
	}
	s.at("before-infer", b.chunk.index)
	if b.decoded.Load() > 0 {
		if err := s.pipeline.score(ctx, b); err != nil {
			return err
		}
	}
	s.at("after-infer", b.chunk.index)
	return s.fill(b, lo, hi)
}

// load reads and decodes one image, or makes the row that says why not.
func (s *search) load(ctx context.Context, img item) error {
	entry := img.entry()
	s.at("before-read", img.batch.chunk.index)
	body, err := s.read(ctx, entry)
	s.at("after-read", img.batch.chunk.index)
	if err == nil {
		stride := s.Contract.Preprocess.RowBytes()
		err = s.decoder.Decode(img.batch.Pixels[img.slot*stride:][:stride], body.data)
		s.release(body)
	}
	var bad *codec.Failure
	switch {
	case err == nil:
		s.label(img)
		img.batch.decoded.Add(1)
	case errors.As(err, &bad):
		s.reject(img, bad)
	default:
		return fmt.Errorf("read image %q from %s: %w", entry.Path, s.Images, err)
	}
	return nil
}

func (s *search) quarantine(i, deaths int) {
	img := item{batch: s.batch, slot: i % s.Batch}
	s.batch.offset = i - img.slot
	entry := img.entry()
	s.Log.Error().Str("image", entry.Path).Int("deaths", deaths).Msg("quarantined: workers die on this image")
	s.reject(img, &codec.Failure{Status: row.StatusQuarantined, Reason: "workers died on this image"})
	s.Counters.Scored(1, 1)
	s.Progress.Add(1, 1)
}
