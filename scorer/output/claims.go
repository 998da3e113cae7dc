package output

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/batchscore/batchscore/scorer/store"
)

// Claims is how workers keep out of one another's way. A claim on a chunk is a
// chain of objects, <chunk>.<generation>, each created once: whoever creates
// the next link holds the chunk. The holder renews by creating a link in its
// own name; another worker takes over by doing the same once the claim is
// stale. A claim only saves work: should two workers hold one chunk after all,
// Commit lets one part stand.
//
// A claim is stale when its owner ran on this machine and is dead, when its
// owner gave it up, or when its last link is older than the lease. Ages are
// differences between times by the store's clock, carried forward by this
// process's monotonic clock; no machine's wall clock matters.
//
// A crash of the machine may take its last claims with it, or leave them empty:
// their chunks are somebody's until the lease ends, or nobody's.
//
// Claims is safe for use by any number of goroutines, but a chunk is dealt
// with by one at a time.
type Claims struct {
	st     store.Store
	worker Worker
	lease  time.Duration

	monotonic func() time.Duration
	running   func(*Worker) bool

	mu     sync.Mutex
	held   map[int]int           // chunk to generation of this worker's last link
	since  map[int]time.Duration // chunk to monotonic time of its first link by this worker
	seen   map[int]link          // links of others, by chunk: a link never changes
	clock  time.Time             // the store's clock at the moment at
	at     time.Duration
	probes int
}

// NewClaims returns the claims of a worker. Renew each held chunk a few times
// per lease.
func NewClaims(st store.Store, worker Worker, lease time.Duration) *Claims {
	origin := time.Now()
	return &Claims{
		st: st, worker: worker, lease: lease,
		monotonic: func() time.Duration { return time.Since(origin) },
		running:   running,
		held:      map[int]int{},
		since:     map[int]time.Duration{},
		seen:      map[int]link{},
	}
}

// link is one object of a chain.
type link struct {
	Chunk      int  `json:"chunk"`
	Generation int  `json:"generation"`
	Released   bool `json:"released"`
	// Held is the seconds since the owner's first link of this claim.
	Held   float64 `json:"held_seconds,omitempty"`
	Worker Worker  `json:"worker"`

	modified time.Time
}

// Claim is the last link of a chunk's chain.
type Claim struct {
	Chunk    int
	Worker   Worker
	Released bool          // given up by its owner
	Age      time.Duration // since its last link, by the store's clock
	Held     time.Duration // since its owner claimed it
	// Live reports whether the chunk is somebody's; otherwise it may be taken over.
	Live bool
}

func linkName(chunk, generation int) string {
	return fmt.Sprintf("%s%05d.%06d", claimsFolder, chunk, generation)
}

// parseLink is the inverse of linkName.
func parseLink(name string) (chunk, generation int, ok bool) {
	rest, ok := strings.CutPrefix(name, claimsFolder)
	if !ok {
		return 0, 0, false
	}
	a, b, ok := strings.Cut(rest, ".")
	if !ok {
		return 0, 0, false
	}
	chunk, err1 := strconv.Atoi(a)
	generation, err2 := strconv.Atoi(b)
	ok = err1 == nil && err2 == nil && chunk >= 0 && generation >= 0 && linkName(chunk, generation) == name
	return chunk, generation, ok
}

// TryAcquire tries to claim the chunk and says whether this worker holds it
// now.
func (c *Claims) TryAcquire(ctx context.Context, chunk int) (bool, error) {
	c.mu.Lock()
	_, held := c.held[chunk]
	c.mu.Unlock()
	if held {
		return true, nil
	}
	// Most chunks are nobody's, so try that before looking.
	if ok, err := c.extend(ctx, chunk, 0, false); ok || err != nil {
		return ok, err
	}
	last, err := c.last(ctx, chunk)
	if err != nil {
		return false, err
	}
	if last.Worker.ID == c.worker.ID && !last.Released {
		c.hold(chunk, last.Generation) // a create of ours whose answer was lost
		return true, nil
	}
	live, err := c.live(ctx, last)
	if live || err != nil {
		return false, err
	}
	return c.extend(ctx, chunk, last.Generation+1, false)
}

// Renew shows that this worker is still at work on a chunk that it holds. It
// returns false when the chunk is not its own any more: another worker took it
// over, or it was never held. Going on is harmless then, but likely in vain.
func (c *Claims) Renew(ctx context.Context, chunk int) (bool, error) {
	return c.next(ctx, chunk, false)
}

// Release gives up a chunk that this worker holds, so that others need not
// wait for the lease to end. It is for chunks that were not finished; a
// committed one needs no claim.
func (c *Claims) Release(ctx context.Context, chunk int) error {
	_, err := c.next(ctx, chunk, true)
	c.Forget(chunk)
	return err
}

// Forget drops a chunk from those held without a word to others: its part
// stands, or another worker took it over.
func (c *Claims) Forget(chunk int) {
	c.mu.Lock()
	delete(c.held, chunk)
	delete(c.since, chunk)
	c.mu.Unlock()
}

// next adds a link to the chain of a chunk that is held.
func (c *Claims) next(ctx context.Context, chunk int, release bool) (bool, error) {
	c.mu.Lock()
	generation, held := c.held[chunk]
	c.mu.Unlock()
	if !held {
		return false, nil
	}
	ok, err := c.extend(ctx, chunk, generation+1, release)
	if err == nil && !ok {
		c.Forget(chunk)
	}
	return ok, err
}

// extend creates one link and says whether it is this worker's.
func (c *Claims) extend(ctx context.Context, chunk, generation int, release bool) (bool, error) {
	l := link{Chunk: chunk, Generation: generation, Released: release, Worker: c.worker}
	c.mu.Lock()
	if since, ok := c.since[chunk]; ok {
		l.Held = (c.monotonic() - since).Seconds()
	}
	c.mu.Unlock()
	body, err := json.Marshal(l)
	if err != nil {
		return false, err
	}
	o, err := store.CreateVolatile(ctx, c.st, linkName(chunk, generation), body)
	if errors.Is(err, store.ErrExist) {
		return false, nil
	}
	if err != nil {
		if ctx.Err() != nil {
			return false, err
		}
		// The answer may have been lost.
		stored, found, readErr := readAll(ctx, c.st, linkName(chunk, generation))
		if errors.Is(readErr, store.ErrNotExist) {
			return false, fmt.Errorf("claim chunk %d: %w", chunk, err)
		}
		if readErr != nil {
			return false, fmt.Errorf("claim chunk %d: %w", chunk, errors.Join(err, readErr))
		}
		if string(stored) != string(body) {
			return false, nil
		}
		o = found
	} else {
		c.sample(o.Modified)
	}
	c.hold(chunk, generation)
	return true, nil
}

func (c *Claims) hold(chunk, generation int) {
	c.mu.Lock()
	c.held[chunk] = generation
	if _, ok := c.since[chunk]; !ok {
		c.since[chunk] = c.monotonic()
	}
	c.mu.Unlock()
}

// sample notes the store's clock, as of an object created just now. The answer
// took a while to come, so the clock is behind rather than ahead of the truth,
// and claims look younger than they are.
func (c *Claims) sample(modified time.Time) {
	c.mu.Lock()
	c.clock, c.at = modified, c.monotonic()
	c.mu.Unlock()
}

// Now is the time by the store's clock. It creates a small object when the
// last look at that clock is a quarter of the lease old.
func (c *Claims) Now(ctx context.Context) (time.Time, error) {
	c.mu.Lock()
	elapsed := c.monotonic() - c.at
	now := c.clock.Add(elapsed)
	fresh := !c.clock.IsZero() && elapsed < c.lease/4
	probe := c.probes
	if !fresh {
		c.probes++
	}
	c.mu.Unlock()
	if fresh {
		return now, nil
	}
	o, err := store.CreateVolatile(ctx, c.st, fmt.Sprintf("%s%s.%06d", clockFolder, c.worker.ID, probe), nil)
	if err != nil {
		return time.Time{}, fmt.Errorf("ask the store for the time: %w", err)
	}
	c.sample(o.Modified)
	return o.Modified, nil
}

// live reports whether the chunk of that last link is somebody's.
func (c *Claims) live(ctx context.Context, l link) (bool, error) {
	if l.Released {
		return false, nil
	}
	if l.Worker.sameMachine(&c.worker) && !c.running(&l.Worker) {
		return false, nil
	}
	now, err := c.Now(ctx)
	return now.Sub(l.modified) <= c.lease, err
}

// last returns the last link of a chunk that has one.
func (c *Claims) last(ctx context.Context, chunk int) (link, error) {
	chains, err := c.chains(ctx, fmt.Sprintf("%s%05d.", claimsFolder, chunk), func(int) bool { return false })
	if err != nil {
		return link{}, err
	}
	generation, ok := chains[chunk]
	if !ok {
		return link{}, fmt.Errorf("%w: the claim on chunk %d vanished from %s", ErrMismatch, chunk, c.st)
	}
	return c.read(ctx, chunk, generation)
}

// chains lists the last generation of each chunk under prefix.
func (c *Claims) chains(ctx context.Context, prefix string, skip func(chunk int) bool) (map[int]int, error) {
	last := map[int]int{}
	err := store.Names(ctx, c.st, prefix, func(name string) error {
		chunk, generation, ok := parseLink(name)
		if ok && !skip(chunk) {
			last[chunk] = max(last[chunk], generation)
		}
		return nil
	})
	if err != nil && !errors.Is(err, store.ErrNotExist) {
		return nil, fmt.Errorf("list the claims: %w", err)
	}
	return last, nil
}

// read returns a link. One that cannot be understood has an owner that nobody
// knows, and is judged by its age.
func (c *Claims) read(ctx context.Context, chunk, generation int) (link, error) {
	body, o, err := readAll(ctx, c.st, linkName(chunk, generation))
	if err != nil {
		return link{}, fmt.Errorf("read the claim on chunk %d: %w", chunk, err)
	}
	var l link
	if json.Unmarshal(body, &l) != nil || l.Chunk != chunk || l.Generation != generation {
		l = link{Chunk: chunk, Generation: generation}
	}
	l.modified = o.Modified
	return l, nil
}

// readOnce is read for a caller that looks again and again.
func (c *Claims) readOnce(ctx context.Context, chunk, generation int) (link, error) {
	c.mu.Lock()
	l, ok := c.seen[chunk]
	c.mu.Unlock()
	if ok && l.Generation == generation {
		return l, nil
	}
	l, err := c.read(ctx, chunk, generation)
	if err == nil {
		c.mu.Lock()
		c.seen[chunk] = l
		c.mu.Unlock()
	}
	return l, err
}

// Scan returns the claim of every chunk that has one, but for those that skip
// (if not nil) says to pass over, such as committed ones.
func (c *Claims) Scan(ctx context.Context, skip func(chunk int) bool) (map[int]Claim, error) {
	if skip == nil {
		skip = func(int) bool { return false }
	}
	chains, err := c.chains(ctx, claimsFolder, skip)
	if err != nil || len(chains) == 0 {
		return nil, err
	}
	now, err := c.Now(ctx)
	if err != nil {
		return nil, err
	}
	claims := make(map[int]Claim, len(chains))
	chunks := slices.Sorted(maps.Keys(chains))
	err = inOrder(ctx, len(chunks), func(ctx context.Context, i int) (link, error) {
		return c.readOnce(ctx, chunks[i], chains[chunks[i]])
	}, func(i int, l link) error {
		live, err := c.live(ctx, l)
		age := now.Sub(l.modified)
		claims[chunks[i]] = Claim{Chunk: chunks[i], Worker: l.Worker, Released: l.Released, Live: live,
			Age: age, Held: age + time.Duration(l.Held*float64(time.Second))}
		return err
	})
	return claims, err
}

// Deaths counts the workers, this one apart, that claimed a chunk which this
// one holds and neither committed it nor gave it up, but for those that are
// known to live: they were only silent for a while.
func (c *Claims) Deaths(ctx context.Context, chunk int) (int, error) {
	c.mu.Lock()
	generation := c.held[chunk]
	c.mu.Unlock()
	dead := map[string]bool{}
	for g := range generation {
		l, err := c.read(ctx, chunk, g)
		if err != nil {
			return 0, err
		}
		if l.Worker.ID == c.worker.ID {
			continue
		}
		lives := l.Worker.sameMachine(&c.worker) && c.running(&l.Worker)
		dead[l.Worker.ID] = !l.Released && !lives
	}
	n := 0
	for _, d := range dead {
		if d {
			n++
		}
	}
	return n, nil
}
