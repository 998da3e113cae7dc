package scorer

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/batchscore/batchscore/scorer/claim"
	"github.com/batchscore/batchscore/scorer/output"
)

// taker decides which chunk this worker does next: its own share in order, then
// what others have neither committed nor claimed, then what those had claimed
// who are dead or silent, and at the very end what others are slow with. Only
// the feeder calls next.
type taker struct {
	*worker
	own, ownEnd int
	began       time.Time
	listed      time.Time   // when done was read; monotonic
	done        *output.Set // chunks that were committed then
	before      int         // how many were at the start
	images      int         // how many this worker took
	// mine is every chunk that this worker took, so that it does none twice.
	mine map[int]bool
	// foreseen reports whether the end was near.
	foreseen bool

	wake chan struct{} // holds a token after a commit

	mu   sync.Mutex
	held map[int]*hold // chunks that this worker took and has not committed
	end  *hold         // on the end of the job, if this worker is to finish it
	// Of the chunks that this worker committed: how many, and how long they
	// took from claim to commit in all.
	commits int
	spent   time.Duration
}

// hold is a chunk in hand.
type hold struct {
	since time.Time
	// doubles reports whether it is another worker's claim, which is not renewed.
	doubles bool
	// gone is closed when its part stands meanwhile, so that nothing more need
	// be done.
	gone chan struct{}
}

func newHold(doubles bool) *hold {
	return &hold{since: time.Now(), doubles: doubles, gone: make(chan struct{})}
}

// dropped reports whether gone is closed.
func (h *hold) dropped() bool {
	select {
	case <-h.gone:
		return true
	default:
		return false
	}
}

func newTaker(w *worker, done *output.Set) *taker {
	t := &taker{worker: w, done: done, before: done.Count(), began: time.Now(), listed: time.Now(),
		mine: map[int]bool{}, held: map[int]*hold{}, wake: make(chan struct{}, 1)}
	t.own, t.ownEnd = w.Chunks.Share(w.World.Rank, w.World.Size)
	return t
}

// remaining is how many images of the own share were not committed at the start.
func (t *taker) remaining() int {
	n := 0
	for i := t.own; i < t.ownEnd; i++ {
		if !t.done.Has(i) {
			first, last := t.Chunks.Range(i)
			n += last - first
		}
	}
	return n
}

// Waiting for chunks that others hold starts with the first of these pauses and
// doubles up to the second.
const (
	firstPause = 50 * time.Millisecond
	lastPause  = 2 * time.Second
)

// next returns the chunk to do next, claimed for this worker; ok is false when
// there is none left or the worker was asked to halt.
func (t *taker) next(ctx context.Context) (index int, ok bool, err error) {
	for t.own < t.ownEnd && t.halt.why() == nil {
		if err := t.foresee(ctx); err != nil {
			return 0, false, err
		}
		index := t.own
		t.own++
		// What a thief has committed meanwhile is not done again.
		if time.Since(t.listed) > t.interval() {
			if err := t.refresh(ctx); err != nil {
				return 0, false, err
			}
		}
		if ok, err := t.claim(ctx, index); ok || err != nil {
			return index, ok, err
		}
	}
	if t.Static {
		return 0, false, nil
	}
	for pause := firstPause; t.halt.why() == nil; pause = min(2*pause, t.longest()) {
		if err := t.foresee(ctx); err != nil {
			return 0, false, err
		}
		if err := t.look(ctx); err != nil {
			return 0, false, err
		}
		index, left, ok, err := t.takeOver(ctx)
		if ok || err != nil {
			return index, ok, err
		}
		if !left && len(t.holding()) == 0 {
			break
		}
		if err := t.rest(ctx, pause); err != nil {
			return 0, false, err
		}
	}
	return 0, false, nil
}

// rest is a pause that a commit of this worker ends.
func (t *taker) rest(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-t.wake:
	case <-t.halt.c:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return nil
}

// interval is how old the knowledge of what is committed may grow: on the own
// share, which others come to last, as long as it takes them to see that a
// worker is silent; after that as long as the pause between two looks.
func (t *taker) interval() time.Duration {
	if t.own < t.ownEnd || t.Static {
		return t.Lease / 2
	}
	return t.longest()
}

// look marks the chunks in hand that others have committed.
func (t *taker) look(ctx context.Context) error {
	if err := t.refresh(ctx); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for index, h := range t.held {
		if t.done.Has(index) && !h.dropped() {
			close(h.gone)
		}
	}
	return nil
}

// takeOver claims one chunk that is neither committed nor anybody's, or else
// doubles one; left says whether any chunk is not committed and not taken by
// this worker.
func (t *taker) takeOver(ctx context.Context) (index int, left, ok bool, err error) {
	claims, err := t.claims.Scan(ctx, t.closed)
	if err != nil {
		return 0, true, false, err
	}
	var slow []int
	for index := range t.Chunks.StealOrder(t.World.Rank, t.World.Size) {
		if t.closed(index) {
			continue
		}
		left = true
		c := claims[index]
		if c.Live {
			if c.Held > t.patience() {
				slow = append(slow, index)
			}
			continue
		}
		if ok, err := t.claim(ctx, index); ok || err != nil {
			t.grow(index, ok)
			return index, true, ok, err
		}
	}
	for _, index := range slow {
		if ok, err := t.double(ctx, index); ok || err != nil {
			t.grow(index, ok)
			return index, true, ok, err
		}
	}
	return 0, left, false, nil
}

// patience is for how long another worker may be at a chunk before this one,
// having nothing else to do, does it as well: as long as its own take it. A
// worker that has none of its own to compare with doubles nothing.
func (t *taker) patience() time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.commits == 0 {
		return math.MaxInt64
	}
	return t.spent / time.Duration(t.commits)
}

// longest is the longest pause between two looks at what others hold: short
// against the time of a chunk and against that of the whole run, so that little
// of either is lost at the end.
func (t *taker) longest() time.Duration {
	return min(max(min(t.patience()/8, time.Since(t.began)/256), firstPause), lastPause)
}

// double begins a chunk that another worker is at. One worker may do so: the
// right to it is claimed like a chunk.
func (t *taker) double(ctx context.Context, index int) (bool, error) {
	ok, err := t.claims.TryAcquire(ctx, claim.OnDouble(index))
	if err != nil || !ok {
		return false, err
	}
	t.Log.Info().Int("chunk", index).Msg("doubling a chunk that another worker is slow with: the first to commit wins")
	t.take(index, newHold(true))
	return true, nil
}

// grow books a chunk of another's share as work of this worker.
func (t *taker) grow(index int, ok bool) {
	lo, hi := t.Chunks.Share(t.World.Rank, t.World.Size)
	if ok && (index < lo || index >= hi) {
		first, last := t.Chunks.Range(index)
		t.Progress.Grow(last - first)
	}
}

// closed reports whether a chunk is of no interest: committed, or taken by this
// worker before.
func (t *taker) closed(index int) bool {
	return index >= t.done.Len() || t.done.Has(index) || t.mine[index]
}

func (t *taker) refresh(ctx context.Context) (err error) {
	t.listed = time.Now()
	t.done, err = output.Done(ctx, t.Out, t.Chunks, t.Job.Format)
	return err
}

func (t *taker) claim(ctx context.Context, index int) (bool, error) {
	if t.closed(index) {
		return false, nil
	}
	t.at("before-claim", index)
	ok, err := t.claims.TryAcquire(ctx, claim.OnChunk(index))
	t.at("after-claim", index)
	if err != nil || !ok {
		return false, err
	}
	t.take(index, newHold(false))
	return true, nil
}

// take books a chunk as in hand, and halts the worker at its budget.
func (t *taker) take(index int, h *hold) {
	t.mine[index] = true
	t.mu.Lock()
	t.held[index] = h
	t.mu.Unlock()
	first, last := t.Chunks.Range(index)
	t.images += last - first
	if t.Budget > 0 && t.images >= t.Budget {
		t.halt.request(fmt.Errorf("%w: the budget of %d images is spent", ErrPaused, t.Budget))
	}
}

// inHand is the hold on a chunk, or on the end.
func (t *taker) inHand(r claim.Right) *hold {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.hold(r)
}

func (t *taker) hold(r claim.Right) *hold {
	if r == claim.OnEnd {
		return t.end
	}
	index, _ := r.Chunk()
	return t.held[index]
}

// committed ends a hold; its part stands, by this worker or another.
func (t *taker) committed(index int) {
	t.mu.Lock()
	if h := t.held[index]; h != nil && !h.dropped() {
		t.commits++
		t.spent += time.Since(h.since)
	}
	delete(t.held, index)
	t.mu.Unlock()
	t.claims.Forget(claim.OnChunk(index)) // last, so that no renewal takes this for a loss
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

// renew gives a sign of life for every chunk that this worker holds, three
// times a lease, until ctx ends.
func (t *taker) renew(ctx context.Context) {
	tick := time.NewTicker(t.Lease / 3)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		// Side by side: a slow store must not keep the last from its turn.
		var g errgroup.Group
		g.SetLimit(renewers)
		for _, r := range t.renewable() {
			g.Go(func() error {
				t.renewOne(ctx, r)
				return nil
			})
		}
		_ = g.Wait()
		if ctx.Err() != nil {
			return
		}
	}
}

// renewers is how many claims are renewed at once.
const renewers = 16

func (t *taker) renewOne(ctx context.Context, r claim.Right) {
	still, err := t.claims.Renew(ctx, r)
	switch {
	case ctx.Err() != nil, t.inHand(r) == nil: // committed meanwhile
	case err != nil:
		// The claim stands until the lease ends; the next tick tries again.
		t.Log.Warn().Err(err).Stringer("claim", r).Msg("could not renew a claim")
	case !still:
		t.Log.Warn().Stringer("claim", r).Msg("another worker took over what this one holds: the first to commit wins")
		t.disown(r)
	}
}

// release gives up what is claimed and will not be committed, so that others
// need not wait for the lease to end.
func (t *taker) release(ctx context.Context) {
	for _, r := range t.renewable() {
		if err := t.claims.Release(ctx, r); err != nil {
			t.Log.Warn().Err(err).Stringer("claim", r).Msg("could not release a claim")
			return
		}
	}
}

// disown ends the renewal of a claim that is another's now.
func (t *taker) disown(r claim.Right) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if h := t.hold(r); h != nil {
		h.doubles = true
	}
}

// renewable is what this worker has the claim on: chunks in hand, and the end.
func (t *taker) renewable() []claim.Right {
	t.mu.Lock()
	defer t.mu.Unlock()
	var own []claim.Right
	for i, h := range t.held {
		if !h.doubles {
			own = append(own, claim.OnChunk(i))
		}
	}
	if t.end != nil && !t.end.doubles {
		own = append(own, claim.OnEnd)
	}
	return own
}

// holding is the chunks in hand.
func (t *taker) holding() []int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Collect(maps.Keys(t.held))
}
