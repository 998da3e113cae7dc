package scorer

import (
	"context"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/batchscore/batchscore/models/preprocess"
	"github.com/batchscore/batchscore/models/preprocess/codec"
	"github.com/batchscore/batchscore/scorer/claim"
	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/telemetry/event"
)

// deathsToConvict is how many workers may die on a single image, tried on its own,
// before it is quarantined.
const deathsToConvict = 2

// isolator scores chunks that workers died on. It tries range after range of their
// images with nothing else in hand, and records each range in the store before it
// tries it. A range that an earlier worker died on is halved. A single image that
// workers keep dying on gets a row that says so, and the rest is scored. The
// images keep their slots in their batches, whose other slots are zeros, so that
// the scores are those of an undisturbed run.
type isolator struct {
	taker     *taker
	claims    *claim.Claims
	holds     *holds
	chunks    *chunkPool
	batches   *batchPool
	spec      preprocess.Spec
	bounds    preprocess.Options
	reader    *reader
	assembler *assembler
	device    *device
	filler    *filler
	gate      *gate
	scored    chan<- *chunk
	leave     *Leave
	stop      <-chan struct{}
	log       zerolog.Logger
	hook      testHook
}

// isolate scores a chunk that this worker holds.
func (i *isolator) isolate(ctx context.Context, index int) error {
	for i.holds.chunks() > 1 { // others are still in hand
		if err := i.taker.wait(ctx, lastPause); err != nil {
			return err
		}
	}
	event.ChunkBisected.In(ctx, i.log).Int("chunk", index).Msg("workers died on this chunk: bisecting its images to find the one that crashes workers")
	trials, err := i.claims.ReadTrials(ctx, index)
	if err != nil {
		return err
	}
	decoder, err := preprocess.NewDecoder(i.spec, i.bounds)
	if err != nil {
		return err
	}
	defer decoder.Close()
	b, err := i.batches.get(ctx)
	if err != nil {
		return err
	}
	c, err := i.chunks.open(ctx, index)
	if err != nil {
		return err
	}
	b.chunk = c
	s := &search{isolator: i, trials: trials, decoder: decoder, batch: b}
	if err := s.try(ctx, 0, len(c.rows)); err != nil {
		return err
	}
	i.batches.put(b)
	if err := i.gate.enter(ctx); err != nil {
		return err
	}
	return send(ctx, i.scored, c)
}

// search looks for the image of one chunk that kills.
type search struct {
	isolator *isolator
	trials   *claim.Trials
	decoder  *preprocess.Decoder
	batch    *batch
}

// try scores images lo <= i < hi of the chunk, except those that it quarantines.
func (s *search) try(ctx context.Context, lo, hi int) error {
	if s.copied(lo, hi) { // nobody dies on them
		s.isolator.filler.progress.Add(hi-lo, 0)
		return nil
	}
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
	if s.isolator.leave.leaving() {
		<-ctx.Done()
		return context.Cause(ctx)
	}
	if err := s.begin(ctx, lo, hi); err != nil {
		return err
	}
	withdraw := func(ctx context.Context) { s.withdraw(ctx, lo, hi) }
	over := s.isolator.leave.with(withdraw)
	end := onStop(ctx, s.isolator.stop, withdraw)
	err := s.scoreRange(ctx, lo, hi)
	end()
	over()
	if err != nil { // this worker lives
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
		defer cancel()
		s.withdraw(ctx, lo, hi)
		return err
	}
	return s.trials.Pass(ctx, lo, hi)
}

// copied reports whether the rows of all images lo <= i < hi are copied.
func (s *search) copied(lo, hi int) bool {
	for i := lo; i < hi; i++ {
		if !s.batch.chunk.entries[i].Copied() {
			return false
		}
	}
	return lo < hi
}

// begin records a trial, unless this worker was asked to end: what asked may kill it, too.
func (s *search) begin(ctx context.Context, lo, hi int) error {
	select {
	case <-s.isolator.stop:
		return nil
	default:
		return s.trials.Begin(ctx, lo, hi)
	}
}

// onStop calls do when stop is closed, at once and in a goroutine of its own, until end is called.
// end waits for it.
func onStop(ctx context.Context, stop <-chan struct{}, do func(context.Context)) (end func()) {
	ended := make(chan struct{})
	var running sync.WaitGroup
	running.Go(func() {
		select {
		case <-stop:
			do(ctx)
		case <-ended:
		}
	})
	return func() { close(ended); running.Wait() }
}

func (s *search) withdraw(ctx context.Context, lo, hi int) {
	if err := s.trials.Withdraw(ctx, lo, hi); err != nil {
		event.TrialNotWithdrawn.In(ctx, s.isolator.log).Int("chunk", s.batch.chunk.index).Err(err).
			Msg("could not withdraw a trial: it may count as a worker that died")
	}
}

// scoreRange scores images lo <= i < hi of the chunk.
func (s *search) scoreRange(ctx context.Context, lo, hi int) error {
	size := s.isolator.batches.size
	for offset := lo / size * size; offset < hi; offset += size {
		if err := s.scoreSlots(ctx, offset, max(lo-offset, 0), min(hi-offset, size)); err != nil {
			return err
		}
	}
	return nil
}

// scoreSlots scores slots lo <= slot < hi of the batch that begins at offset.
func (s *search) scoreSlots(ctx context.Context, offset, lo, hi int) error {
	b, size := s.batch, s.isolator.batches.size
	b.offset, b.n = offset, min(size, len(b.chunk.rows)-offset)
	b.decoded.Store(0)
	clear(b.Pixels)
	for slot := lo; slot < hi; slot++ {
		if err := s.load(ctx, item{batch: b, slot: slot}); err != nil {
			return err
		}
	}
	s.isolator.hook.at("before-infer", b.chunk.index)
	if b.decoded.Load() > 0 {
		if err := s.isolator.device.infer(ctx, b); err != nil {
			return err
		}
	}
	s.isolator.hook.at("after-infer", b.chunk.index)
	return s.isolator.filler.fill(ctx, b, lo, hi)
}

// load reads and decodes one image, or makes the row that says why it cannot.
func (s *search) load(ctx context.Context, img item) error {
	if img.copied() {
		return nil
	}
	i := s.isolator
	i.hook.at("before-read", img.batch.chunk.index)
	err := i.reader.decode(ctx, s.decoder, i.assembler.pixels(img), img)
	i.hook.at("after-read", img.batch.chunk.index)
	bad := failure(err)
	switch {
	case err == nil:
		i.reader.counters.Saw(s.decoder.Placement().Dark)
		i.assembler.accept(img, s.decoder.Placement())
	case bad != nil:
		i.assembler.reject(img, bad)
	default:
		return err
	}
	return nil
}

// quarantine makes the row of image number index of the chunk.
func (s *search) quarantine(index, deaths int) {
	i := s.isolator
	img := item{batch: s.batch, slot: index % i.batches.size}
	s.batch.offset = index - img.slot
	event.ImageQuarantined.On(i.log).Int("chunk", s.batch.chunk.index).Str("image", img.entry().Path).Int("deaths", deaths).
		Msg("quarantined: workers die on this image")
	i.assembler.reject(img, &codec.Failure{Status: row.StatusQuarantined, Reason: "workers died on this image"})
	i.filler.count(1, 1)
}
