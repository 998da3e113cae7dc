package tune

import (
	"context"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/preprocess"
)

// Engine is what is measured. Its methods are those of scorer.Engine.
type Engine interface {
	NewBatch(capacity int) (*models.Batch, error)
	Score(ctx context.Context, b *models.Batch, lo, hi int) error
}

// Device is an engine with images that can be scored at once.
type Device struct {
	// Serial is true if the engine runs one batch after another and more sessions
	// only keep it from waiting, as on a GPU.
	Serial bool

	engine   Engine
	dtype    preprocess.DType
	capacity int
	batches  []*models.Batch
}

// NewDevice prepares an engine to be measured in batches of at most capacity
// images. It belongs to one goroutine.
func NewDevice(e Engine, c models.Contract, capacity int) *Device {
	return &Device{engine: e, dtype: c.Preprocess.DType, capacity: capacity}
}

// Rate scores batches in a number of sessions, which are calls at the same time,
// for at least the given time. It returns images per second and the number of
// images. Every session scores at least one batch, of at most the device's capacity.
func (d *Device) Rate(ctx context.Context, sessions, batch int, least time.Duration) (rate float64, images int, err error) {
	for len(d.batches) < sessions {
		b, err := d.engine.NewBatch(d.capacity)
		if err != nil {
			return 0, 0, err
		}
		noise(b.Pixels, d.dtype)
		d.batches = append(d.batches, b)
	}
	done, rates := make([]int, sessions), make([]float64, sessions)
	g, ctx := errgroup.WithContext(ctx)
	began := time.Now()
	for i := range sessions {
		d.batches[i].Size = batch
		g.Go(func() error {
			start := time.Now()
			for done[i] == 0 || time.Since(start) < least {
				if err := d.engine.Score(ctx, d.batches[i], 0, batch); err != nil {
					return err
				}
				done[i] += batch
			}
			// Each session counts its own time, as they do not end together.
			rates[i] = float64(done[i]) / time.Since(start).Seconds()
			return nil
		})
	}
	err = g.Wait()
	took := time.Since(began)
	for i := range sessions {
		rate, images = rate+rates[i], images+done[i]
	}
	if d.Serial {
		rate = float64(images) / took.Seconds()
	}
	return rate, images, err
}

// noise fills pixels with random numbers from 0 to 255, or from 0 to 1 for float32.
func noise(pixels []byte, t preprocess.DType) {
	rnd := rand.New(rand.NewPCG(1, 2))
	if t == preprocess.Float32 {
		for i := 0; i+4 <= len(pixels); i += 4 {
			binary.NativeEndian.PutUint32(pixels[i:], math.Float32bits(rnd.Float32()))
		}
		return
	}
	for i := range pixels {
		pixels[i] = byte(rnd.Uint32())
	}
}
