package scorer

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/batchscore/batchscore/models"
	hardware "github.com/batchscore/batchscore/models/device"
	"github.com/batchscore/batchscore/models/preprocess"
	"github.com/batchscore/batchscore/scorer/telemetry"
	"github.com/batchscore/batchscore/scorer/telemetry/event"
)

// Engine runs a model on one device.
//
// NewBatch and Score may be called from any number of goroutines, but one
// Batch belongs to one call at a time. Close is called once, after every Score
// has returned.
type Engine interface {
	// Device names the device and the precision, such as "cpu" or "cuda:0".
	Device() string
	// Lanes is how many Score calls keep the device busy; at least 1. More calls at
	// a time only wait for one another.
	Lanes() int
	// DefaultBatch is the batch size that suits the device if the user gives none.
	DefaultBatch() int
	// NewBatch allocates the memory of a batch of at most capacity images.
	NewBatch(capacity int) (*models.Batch, error)
	// Score runs images lo <= i < hi of b.Pixels and fills the same rows of
	// b.Scores. A GPU computes b.Size images at a time, also if it is asked for
	// fewer. When ctx ends it asks the device to terminate the run, waits for it, and
	// returns ctx's error: no native call outlives Score. An error wrapping
	// models.ErrOutOfMemory means that the images do not fit although no other Score
	// was running; fewer images and a smaller Size may be tried, unless the error
	// wraps models.ErrNothingFits.
	Score(ctx context.Context, b *models.Batch, lo, hi int) error
	Close() error
}

// tiler is an Engine of images whose tiles are scored while they are decoded.
type tiler interface {
	// Tiles returns what scores tiles, in batches of so many, and no more in a call than limit says.
	Tiles(batch int, limit models.Limit) preprocess.Tiles
}

// GPU is what is known of the GPU that an engine computes on.
type GPU interface {
	Facts() hardware.GPUFacts
	telemetry.Meter
}

// factsOf returns what a GPU is; nil if g is nil.
func factsOf(g GPU) *hardware.GPUFacts {
	if g == nil {
		return nil
	}
	facts := g.Facts()
	return &facts
}

// device runs batches on the engine.
type device struct {
	engine   Engine
	counters *telemetry.Counters
	log      zerolog.Logger
	batch    int          // images in a batch of the job
	limit    atomic.Int32 // images in one call of the engine
	lowering sync.Mutex
}

func newDevice(engine Engine, batch int, counters *telemetry.Counters, log zerolog.Logger) *device {
	d := &device{engine: engine, counters: counters, log: log, batch: batch}
	d.limit.Store(int32(batch))
	return d
}

// infer runs a batch. Once the device has shown that it cannot hold that many
// images, batches run in halves, down to single images. It returns early when the
// batch's chunk is dropped.
func (d *device) infer(ctx context.Context, b *batch) error {
	begun := time.Now()
	defer d.counters.Busy(telemetry.Infer, begun)
	defer b.chunk.trace.Note(telemetry.Infer, begun)
	run, end := context.WithCancel(ctx)
	defer end()
	go func(gone <-chan struct{}) { // batch and chunk may be used again before it ends
		select {
		case <-gone:
			end()
		case <-run.Done():
		}
	}(b.chunk.hold.gone)
	for lo := 0; lo < b.n; {
		size := d.Size()
		n := min(b.n-lo, size)
		b.Size = size
		d.counters.Batch(n)
		err := d.engine.Score(run, b.Batch, lo, lo+n)
		switch {
		case err == nil:
			lo += n
		case b.chunk.dropped() && ctx.Err() == nil:
			return nil
		case size > 1 && models.TooLarge(err):
			d.Lower(size)
		default:
			return fmt.Errorf("score images of chunk %d on %s: %w", b.chunk.index, d.engine.Device(), err)
		}
	}
	return nil
}

// Size implements models.Limit.
func (d *device) Size() int { return int(d.limit.Load()) }

// Lower halves the limit after a call under it ran out of memory. Several lanes may
// find that out; one of them halves it.
func (d *device) Lower(size int) {
	d.lowering.Lock()
	defer d.lowering.Unlock()
	if !d.limit.CompareAndSwap(int32(size), int32(size/2)) {
		return
	}
	d.counters.Add(telemetry.Halved, 1)
	text := "device out of memory: batch halved, the run continues"
	if size == d.batch {
		text += "; on a GPU, scores may differ in their last digits from those of whole batches"
	}
	event.BatchHalved.On(d.log).Str("device", d.engine.Device()).Int("batch", size).Int("now", size/2).Msg(text)
}
