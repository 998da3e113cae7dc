package simulate

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/batchscore/batchscore/models"
)

// Engine is a simulated device. It scores one batch at a time, in the order of the calls.
// It is safe for use by any number of goroutines.
type Engine struct {
	spec    Spec
	numbers []int // of an image, for each head
	width   int   // their sum
	row     int   // bytes of an image in the tensor

	mu     sync.Mutex
	rng    *rand.Rand
	freeAt time.Time // when the device has finished all its batches
	busy   time.Duration
}

// Open loads the model's contract onto a device with a known rate (see Spec.For). It
// takes as long as spec.Load. The jitter of ranks on one machine differs.
func Open(ctx context.Context, spec Spec, c models.Contract, rank int) (*Engine, error) {
	if err := sleepUntil(ctx, time.Now().Add(spec.Load)); err != nil {
		return nil, err
	}
	e := &Engine{
		spec: spec, width: c.Numbers(), row: c.Preprocess.RowBytes(),
		rng: rand.New(rand.NewPCG(spec.Seed, uint64(rank))),
	}
	for i := range c.HeadCount() {
		e.numbers = append(e.numbers, c.HeadNumbers(i))
	}
	return e, nil
}

// Device is "simulated:", the device's name if it has one, and the rate.
func (e *Engine) Device() string { return e.spec.String() }

// Lanes returns 2: one batch waits while the other is computed.
func (e *Engine) Lanes() int { return 2 }

// DefaultBatch returns the spec's batch.
func (e *Engine) DefaultBatch() int { return e.spec.batch() }

// Close does nothing.
func (e *Engine) Close() error { return nil }

// NewBatch allocates a batch.
func (e *Engine) NewBatch(capacity int) (*models.Batch, error) {
	return &models.Batch{
		Pixels: make([]byte, capacity*e.row),
		Scores: make([]float32, capacity*e.width),
	}, nil
}

// Score waits for as long as the device needs and derives scores from the pixels. A batch
// that is known not to fit is an error wrapping models.ErrOutOfMemory.
func (e *Engine) Score(ctx context.Context, b *models.Batch, lo, hi int) error {
	if !e.spec.Fits(hi - lo) {
		return fmt.Errorf("%w: %s does not hold a batch of %d", models.ErrOutOfMemory, e.Device(), hi-lo)
	}
	begin, end := e.reserve(hi - lo)
	if err := sleepUntil(ctx, end); err != nil {
		e.giveBack(begin, end)
		return err
	}
	for i := lo; i < hi; i++ {
		scores, pixels := b.Scores[i*e.width:][:e.width], b.Pixels[i*e.row:][:e.row]
		for head, n := range e.numbers {
			derive(scores[:n], pixels, head)
			scores = scores[n:]
		}
	}
	return nil
}

// reserve books n images on the device and returns the period that it is theirs.
func (e *Engine) reserve(n int) (begin, end time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	took := e.spec.Seconds(n)
	if e.spec.Jitter > 0 {
		// Log-normal: never negative, with the mean given by the rate.
		sigma := math.Sqrt(math.Log1p(e.spec.Jitter * e.spec.Jitter))
		took *= math.Exp(sigma*e.rng.NormFloat64() - sigma*sigma/2)
	}
	if now := time.Now(); e.freeAt.Before(now) {
		e.freeAt = now
	}
	d := time.Duration(took * float64(time.Second))
	begin = e.freeAt
	e.freeAt = begin.Add(d)
	e.busy += d
	return begin, e.freeAt
}

// giveBack ends a booking early if it is the last one.
func (e *Engine) giveBack(begin, end time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.freeAt.Equal(end) {
		return
	}
	e.freeAt = begin
	if now := time.Now(); now.After(begin) {
		e.freeAt = now
	}
	e.busy -= end.Sub(e.freeAt)
}

// Busy returns how long the device has computed so far, including the batches that it
// has not finished.
func (e *Engine) Busy() time.Duration {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.busy
}

func sleepUntil(ctx context.Context, t time.Time) error {
	wait := time.Until(t)
	if wait <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// derive returns scores that sum to 1 and depend on the pixels and the head only. It uses a sample of
// them, because the device must not cost the host more than a real one.
func derive(scores []float32, pixels []byte, head int) {
	const sampled = 512
	h := uint64(14695981039346656037) ^ uint64(head)
	step := max(1, len(pixels)/sampled)
	for i := 0; i < len(pixels); i += step {
		h = (h ^ uint64(pixels[i])) * 1099511628211
	}
	sum := float32(0)
	for i := range scores {
		h ^= h << 13
		h ^= h >> 7
		h ^= h << 17
		scores[i] = float32(h>>40) + 1
		sum += scores[i]
	}
	for i := range scores {
		scores[i] /= sum
	}
}
