package measure

import (
	"context"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/preprocess"
	"github.com/batchscore/batchscore/scorer"
)

// Device is an engine with images that are ready to be scored.
type Device struct {
	Engine   scorer.Engine
	contract models.Contract
	batches  map[int][]*models.Batch // by capacity
}

// NewDevice prepares an engine to be measured. It belongs to one goroutine.
func NewDevice(e scorer.Engine, c models.Contract) *Device {
	return &Device{Engine: e, contract: c, batches: map[int][]*models.Batch{}}
}

// Rate scores batches with as many calls at once as sessions say, for at least
// a time, and returns images a second and how many images that was. Every
// session scores at least one batch.
func (d *Device) Rate(ctx context.Context, sessions, batch int, least time.Duration) (rate float64, images int, err error) {
	for len(d.batches[batch]) < sessions {
		b, err := d.Engine.NewBatch(batch)
		if err != nil {
			return 0, 0, err
		}
		noise(b.Pixels, d.contract.Preprocess.DType)
		d.batches[batch] = append(d.batches[batch], b)
	}
	done, rates := make([]int, sessions), make([]float64, sessions)
	g, ctx := errgroup.WithContext(ctx)
	for i := range sessions {
		g.Go(func() error {
			start := time.Now()
			for done[i] == 0 || time.Since(start) < least {
				if err := d.Engine.Score(ctx, d.batches[batch][i], 0, batch); err != nil {
					return err
				}
				done[i] += batch
			}
			// Of its own time, as the sessions do not end together.
			rates[i] = float64(done[i]) / time.Since(start).Seconds()
			return nil
		})
	}
	err = g.Wait()
	for i := range sessions {
		rate, images = rate+rates[i], images+done[i]
	}
	return rate, images, err
}

// noise fills pixels with numbers from 0 to 255, or to 1 for float32.
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
