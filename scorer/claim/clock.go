package claim

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/batchscore/batchscore/scorer/store"
)

// clockFolder has empty objects that were created to learn the store's time.
const clockFolder = "_batchscore/clock/"

// Now returns the time by the store's clock. It creates a small object in the
// name of the worker, once for each worker.
func Now(ctx context.Context, st store.Store, worker Worker) (time.Time, error) {
	c := clock{st: st, id: worker.ID, monotonic: func() time.Duration { return 0 }}
	return c.now(ctx)
}

// IsClock reports whether an object tells the time only, and nothing of who is at work.
func IsClock(name string) bool { return strings.HasPrefix(name, clockFolder) }

// clock knows the time by the store's clock. It carries what it learnt forward
// by a monotonic clock.
type clock struct {
	st        store.Store
	id        string
	fresh     time.Duration // how long what was learnt is relied on
	monotonic func() time.Duration

	mu     sync.Mutex
	learnt time.Time // the store's clock at the moment at
	at     time.Duration
	probes int
}

// learn notes the store's clock, as of an object created just now. The answer
// took a while to arrive, so the clock is behind rather than ahead of the truth,
// and claims look younger than they are.
func (c *clock) learn(modified time.Time) {
	c.mu.Lock()
	c.learnt, c.at = modified, c.monotonic()
	c.mu.Unlock()
}

// now returns the time. It creates a small object if what was learnt is no longer
// fresh.
func (c *clock) now(ctx context.Context) (time.Time, error) {
	c.mu.Lock()
	elapsed := c.monotonic() - c.at
	now := c.learnt.Add(elapsed)
	fresh := !c.learnt.IsZero() && elapsed < c.fresh
	probe := c.probes
	if !fresh {
		c.probes++
	}
	c.mu.Unlock()
	if fresh {
		return now, nil
	}
	o, err := store.CreateVolatile(ctx, c.st, fmt.Sprintf("%s%s.%06d", clockFolder, c.id, probe), nil)
	if err != nil {
		return time.Time{}, fmt.Errorf("ask the store for the time: %w", err)
	}
	c.learn(o.Modified)
	return o.Modified, nil
}
