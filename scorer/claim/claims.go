package claim

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/batchscore/batchscore/scorer/store"
)

// Config is what [New] needs.
type Config struct {
	Store  store.Store
	Worker Worker
	// Lease is how long a claim of a worker on another machine holds without
	// renewal.
	Lease time.Duration
	Names Names
	// Monotonic is time since an origin of its own; nil is that of this process.
	Monotonic func() time.Duration
}

// Claims is one worker's claims in one job. It is safe for use by any number of
// goroutines, but only one at a time may deal with the same right.
type Claims struct {
	chains
	worker  Worker
	lease   time.Duration
	clock   *clock
	running func(*Worker) bool

	leaving atomic.Bool

	mu    sync.Mutex
	held  map[Right]int           // generation of this worker's last link
	since map[Right]time.Duration // monotonic time of this worker's first link
	seen  map[Right]link          // links of others: a link never changes
}

// New returns the claims of a worker. Renew each one held a few times per lease.
func New(c Config) *Claims {
	if c.Monotonic == nil {
		origin := time.Now()
		c.Monotonic = func() time.Duration { return time.Since(origin) }
	}
	return &Claims{
		chains: chains{c.Store, c.Names},
		worker: c.Worker, lease: c.Lease, running: (*Worker).Running,
		clock: &clock{st: c.Store, id: c.Worker.ID, fresh: c.Lease / 4, monotonic: c.Monotonic},
		held:  map[Right]int{},
		since: map[Right]time.Duration{},
		seen:  map[Right]link{},
	}
}

// TryAcquire tries to claim a right and reports whether this worker holds it now.
func (c *Claims) TryAcquire(ctx context.Context, r Right) (bool, error) {
	c.mu.Lock()
	_, held := c.held[r]
	c.mu.Unlock()
	if held {
		return true, nil
	}
	// Most chunks are unclaimed, so try that before looking.
	if ok, err := c.extend(ctx, r, 0, false); ok || err != nil {
		return ok, err
	}
	last, err := c.last(ctx, r)
	if err != nil {
		return false, err
	}
	if last.Worker.ID == c.worker.ID && !last.Released {
		c.note(r, last.Generation) // created by this worker, but the answer was lost
		return true, nil
	}
	live, err := c.live(ctx, last)
	if live || err != nil {
		return false, err
	}
	return c.extend(ctx, r, last.Generation+1, false)
}

// Renew shows that this worker is still at work on a right that it holds. It
// returns false when the right is no longer its own: another worker took it over,
// or it was never held. Continuing with the work is harmless then, but likely in
// vain.
func (c *Claims) Renew(ctx context.Context, r Right) (bool, error) {
	return c.next(ctx, r, false)
}

// Release gives up a right that this worker holds, so that others need not wait
// for the lease to end. It is for work that was not finished: a committed chunk
// needs no claim.
func (c *Claims) Release(ctx context.Context, r Right) error {
	_, err := c.next(ctx, r, true)
	c.Forget(r)
	return err
}

// Leave has every claim that is made or renewed from now on say that this worker was asked to
// end. If it is killed after that, it counts as no worker that died on its chunk.
func (c *Claims) Leave() { c.leaving.Store(true) }

// Leaving reports whether Leave was called.
func (c *Claims) Leaving() bool { return c.leaving.Load() }

// Owner returns the worker that claimed a right last. There must have been one.
func (c *Claims) Owner(ctx context.Context, r Right) (Worker, error) {
	l, err := c.last(ctx, r)
	return l.Worker, err
}

// Forget removes a right from those held without telling others: its work is
// done, or another worker took it over.
func (c *Claims) Forget(r Right) {
	c.mu.Lock()
	delete(c.held, r)
	delete(c.since, r)
	c.mu.Unlock()
}

// next adds a link to the chain of a right that is held.
func (c *Claims) next(ctx context.Context, r Right, release bool) (bool, error) {
	c.mu.Lock()
	generation, held := c.held[r]
	c.mu.Unlock()
	if !held {
		return false, nil
	}
	ok, err := c.extend(ctx, r, generation+1, release)
	if err == nil && !ok {
		c.Forget(r)
	}
	return ok, err
}

// extend creates one link and reports whether it is this worker's.
func (c *Claims) extend(ctx context.Context, r Right, generation int, release bool) (bool, error) {
	l := link{identity: c.names.identity(r), Generation: generation, Released: release, Leaving: c.Leaving(), Worker: c.worker}
	c.mu.Lock()
	if since, ok := c.since[r]; ok {
		l.Held = (c.clock.monotonic() - since).Seconds()
	}
	c.mu.Unlock()
	body, err := json.Marshal(l)
	if err != nil {
		return false, err
	}
	name := c.names.linkName(r, generation)
	o, err := store.CreateVolatile(ctx, c.st, name, body)
	switch {
	case errors.Is(err, store.ErrExist):
		return false, nil
	case err == nil:
		c.clock.learn(o.Modified)
	case ctx.Err() != nil:
		return false, err
	default: // the answer may have been lost
		stored, _, readErr := store.ReadAll(ctx, c.st, name, claimMost)
		if errors.Is(readErr, store.ErrNotExist) {
			return false, fmt.Errorf("claim %s: %w", r, err)
		}
		if readErr != nil && !errors.As(readErr, new(*store.TooLarge)) {
			return false, fmt.Errorf("claim %s: %w", r, errors.Join(err, readErr))
		}
		if string(stored) != string(body) {
			return false, nil
		}
	}
	c.note(r, generation)
	return true, nil
}

// note records that this worker made that link.
func (c *Claims) note(r Right, generation int) {
	c.mu.Lock()
	c.held[r] = generation
	if _, ok := c.since[r]; !ok {
		c.since[r] = c.clock.monotonic()
	}
	c.mu.Unlock()
}

// Now returns the time by the store's clock. It creates a small object when the
// last look at that clock is a quarter of the lease old.
func (c *Claims) Now(ctx context.Context) (time.Time, error) { return c.clock.now(ctx) }

// live reports whether the worker that made the last link of a chain still holds
// the right.
func (c *Claims) live(ctx context.Context, l link) (bool, error) {
	if l.Released || c.ended(&l.Worker) {
		return false, nil
	}
	now, err := c.Now(ctx)
	return now.Sub(l.modified).Abs() <= c.lease, err // a file's date can be set to any time to come
}

// ended reports whether a worker ran on this machine and is gone.
func (c *Claims) ended(w *Worker) bool { return w.SameMachine(&c.worker) && !c.running(w) }

// readOnce returns a link, from memory if it was read before.
func (c *Claims) readOnce(ctx context.Context, r Right, generation int) (link, error) {
	c.mu.Lock()
	l, ok := c.seen[r]
	c.mu.Unlock()
	if ok && l.Generation == generation {
		return l, nil
	}
	l, err := c.read(ctx, r, generation)
	if err == nil {
		c.mu.Lock()
		c.seen[r] = l
		c.mu.Unlock()
	}
	return l, err
}

// Claim is the last link of a chunk's chain.
type Claim struct {
	Chunk    int
	Worker   Worker
	Released bool          // given up by its owner
	Age      time.Duration // since its last link, by the store's clock
	Held     time.Duration // since its owner claimed it
	// Live reports whether its owner still holds it; otherwise it may be taken
	// over.
	Live bool
}

// Scan returns the claim on every chunk that has one, except those that skip
// reports, such as committed ones. A nil skip skips none.
func (c *Claims) Scan(ctx context.Context, skip func(chunk int) bool) (map[int]Claim, error) {
	links, err := c.lastOfChunks(ctx, skip, c.readOnce)
	if err != nil || len(links) == 0 {
		return nil, err
	}
	now, err := c.Now(ctx)
	if err != nil {
		return nil, err
	}
	claims := make(map[int]Claim, len(links))
	for _, l := range links {
		live, err := c.live(ctx, l)
		if err != nil {
			return nil, err
		}
		age := now.Sub(l.modified)
		claims[l.right.chunk] = Claim{Chunk: l.right.chunk, Worker: l.Worker, Released: l.Released, Live: live,
			Age: age, Held: age + time.Duration(l.Held*float64(time.Second))}
	}
	return claims, nil
}

// Deaths counts the workers, other than this one, that claimed a chunk which this
// one holds now and neither committed it nor gave it up. Workers known to be
// alive do not count: they were only silent for a while. Nor do those that were asked to
// end: what asked them kills them, too.
func (c *Claims) Deaths(ctx context.Context, chunk int) (int, error) {
	r := OnChunk(chunk)
	c.mu.Lock()
	generation := c.held[r]
	c.mu.Unlock()
	dead := map[string]bool{}
	for g := range generation {
		l, err := c.read(ctx, r, g)
		if err != nil {
			return 0, err
		}
		if l.Worker.ID == c.worker.ID {
			continue
		}
		alive := l.Worker.SameMachine(&c.worker) && c.running(&l.Worker)
		dead[l.Worker.ID] = !l.Released && !l.Leaving && !alive
	}
	n := 0
	for _, d := range dead {
		if d {
			n++
		}
	}
	return n, nil
}
