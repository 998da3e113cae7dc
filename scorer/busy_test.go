package scorer

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/scorer/store/mem"
	"github.com/batchscore/batchscore/shard"
)

// busyEngine is a device that computes one batch after another. A lane copies and launches
// before that, and copies the scores after it.
type busyEngine struct {
	*fakeEngine
	takes, before, after time.Duration
	device               chan struct{}

	mu          sync.Mutex
	first, last time.Time // of computing
	batches     int
}

func (e *busyEngine) DefaultBatch() int { return shard.LargeBatch }

func (e *busyEngine) Score(ctx context.Context, b *models.Batch, lo, hi int) error {
	time.Sleep(e.before)
	e.device <- struct{}{}
	e.mu.Lock()
	if e.batches++; e.batches == 1 {
		e.first = time.Now()
	}
	e.mu.Unlock()
	time.Sleep(e.takes)
	e.mu.Lock()
	e.last = time.Now()
	e.mu.Unlock()
	<-e.device
	time.Sleep(e.after)
	return e.fakeEngine.Score(ctx, b, lo, hi)
}

// TestBusyDevice checks that a device computes nearly all the time although the disk takes
// a while for every commit, with the chunks of a small job. The clock is that of the
// bubble, in which the host's work takes no time but that of busyEngine.
func TestBusyDevice(t *testing.T) {
	const images, least = 8192, 0.97
	in := new(mem.Store)
	for i := range images {
		in.Put(pictureName(i), picture(t, 1))
	}
	for _, takes := range []time.Duration{21 * time.Millisecond, 6 * time.Millisecond} {
		synctest.Test(t, func(t *testing.T) {
			o := options(t, &distant{Store: in, latency: 100 * time.Microsecond}, &distant{Store: new(mem.Store), latency: 5 * time.Millisecond})
			e := &busyEngine{fakeEngine: newFakeEngine(), takes: takes, before: 1500 * time.Microsecond, after: 500 * time.Microsecond,
				device: make(chan struct{}, 1)}
			o.OpenEngine = func() (Engine, error) { return e, nil }
			o.Job.Chunk = 0 // the default
			mustRun(t, o)
			busy := float64(e.batches) * takes.Seconds() / e.last.Sub(e.first).Seconds()
			if e.batches != images/shard.LargeBatch || busy < least {
				t.Errorf("%v a batch: %d batches, busy %.3f; want %d, and %.2f at least", takes, e.batches, busy, images/shard.LargeBatch, least)
			}
		})
	}
}
