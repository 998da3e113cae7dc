package scorer

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/rs/zerolog"

	"github.com/batchscore/batchscore/scorer/claim"
	"github.com/batchscore/batchscore/scorer/judge"
	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/telemetry"
	"github.com/batchscore/batchscore/scorer/telemetry/event"
	"github.com/batchscore/batchscore/shard"
)

// taker chooses and claims the chunk that this worker scores next: first its own
// share in order, then chunks that nobody has committed or claimed, then chunks
// whose claims are stale. At the very end it races slow workers for the chunks
// still in progress. Only the feeder's goroutine uses it.
type taker struct {
	out      store.Store
	job      *output.Job
	chunks   shard.Chunks
	world    shard.World
	claims   *claim.Claims
	holds    *holds
	lease    time.Duration
	static   bool // keep to the own share
	budget   int  // images after which to halt; 0 is none
	halt     *halt
	leave    *Leave
	finisher *finisher
	failures *judge.Counter
	progress *telemetry.Progress
	counters *telemetry.Counters
	log      zerolog.Logger
	hook     testHook

	next, shareEnd int   // chunks of the own share that were not tried yet
	random         []int // from ordered on, the chunks of the own share in this order; nil for their own
	ordered        int
	began          time.Time
	done           *shard.Set // chunks that were committed at the last look
	lookedAt       time.Time
	doneAtStart    int
	images         int          // how many this worker took
	taken          map[int]bool // every chunk that this worker took, so that it scores none twice
	endPrepared    bool
}

func (w *worker) newTaker(done *shard.Set) *taker {
	o := &w.opt
	t := &taker{
		out: o.Out, job: w.job, chunks: w.chunks, world: o.World, claims: w.claims, holds: w.holds,
		lease: o.Lease, static: o.Static, budget: o.Budget, halt: w.halt, leave: o.Leave, finisher: w.finisher, failures: w.failures,
		progress: o.Progress, counters: o.Counters, log: o.Log, hook: o.hook,
		began: time.Now(), done: done, lookedAt: time.Now(), doneAtStart: done.Count(), taken: map[int]bool{},
	}
	t.next, t.shareEnd = w.chunks.Share(o.World.Rank, o.World.Size)
	return t
}

// remaining returns how many images of the own share are not committed.
func (t *taker) remaining() int {
	n := 0
	for i := t.next; i < t.shareEnd; i++ {
		if !t.done.Has(i) {
			first, last := t.chunks.Range(i)
			n += last - first
		}
	}
	return n
}

// While a worker waits for chunks that others hold, its pauses double from the
// first of these to the second.
const (
	firstPause = 50 * time.Millisecond
	lastPause  = 2 * time.Second
)

// take returns the chunk to score next, claimed for this worker. ok is false if
// there is none left, or the worker was asked to halt.
func (t *taker) take(ctx context.Context) (index int, ok bool, err error) {
	for t.next < t.shareEnd && t.halt.err() == nil {
		if err := t.prepareEnd(ctx); err != nil {
			return 0, false, err
		}
		if rest, ok := t.failures.Spread(t.next, t.shareEnd); ok {
			event.FailuresSampled.In(ctx, t.log).Int("chunks", len(rest)).Msg("many images fail: taking the rest of the own share in random order, to see how many")
			t.random, t.ordered = rest, t.next
		}
		index := t.next
		t.next++
		drawn := t.random != nil
		if drawn {
			index = t.random[index-t.ordered]
		}
		// A thief may have committed it in the meantime.
		if time.Since(t.lookedAt) > t.lookInterval() {
			if err := t.refresh(ctx); err != nil {
				return 0, false, err
			}
		}
		if ok, err := t.claim(ctx, index); ok || err != nil {
			if ok && drawn {
				t.failures.Draw(index)
			}
			return index, ok, err
		}
	}
	if t.static {
		return 0, false, nil
	}
	for pause := firstPause; t.halt.err() == nil; pause = min(2*pause, t.longestPause()) {
		if err := t.prepareEnd(ctx); err != nil {
			return 0, false, err
		}
		if err := t.look(ctx); err != nil {
			return 0, false, err
		}
		index, left, ok, err := t.takeOver(ctx)
		if ok || err != nil {
			return index, ok, err
		}
		if !left && t.holds.chunks() == 0 {
			break
		}
		if err := t.wait(ctx, pause); err != nil {
			return 0, false, err
		}
	}
	return 0, false, nil
}

// wait returns after d, or earlier once this worker commits a chunk or is asked
// to halt.
func (t *taker) wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-t.holds.wake:
	case <-t.halt.requested:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return nil
}

// lookInterval returns how old the list of committed chunks may become. On the own
// share, which others take chunks of last, that is as long as they need to see
// that a worker is silent. After that it is as long as the pause between two
// looks.
func (t *taker) lookInterval() time.Duration {
	if t.next < t.shareEnd || t.static {
		return t.lease / 2
	}
	return t.longestPause()
}

// look drops the chunks in hand that others have committed.
func (t *taker) look(ctx context.Context) error {
	if err := t.refresh(ctx); err != nil {
		return err
	}
	t.holds.drop(t.done.Has)
	return nil
}

// refresh lists the chunks that are committed.
func (t *taker) refresh(ctx context.Context) (err error) {
	t.lookedAt = time.Now()
	t.done, err = output.Done(ctx, t.out, t.job, t.chunks)
	return err
}

// takeOver claims one chunk that is neither committed nor held by anybody. If
// there is none, it begins to race a slow worker. left reports whether any chunk
// is neither committed nor taken by this worker.
func (t *taker) takeOver(ctx context.Context) (index int, left, ok bool, err error) {
	claims, err := t.claims.Scan(ctx, t.skip)
	if err != nil {
		return 0, true, false, err
	}
	var slow []int
	for index := range t.chunks.StealOrder(t.world.Rank, t.world.Size) {
		if t.skip(index) {
			continue
		}
		left = true
		c := claims[index]
		if c.Live {
			if c.Held > t.slowAfter() {
				slow = append(slow, index)
			}
			continue
		}
		if ok, err := t.claim(ctx, index); ok || err != nil {
			t.countStolen(index, ok)
			return index, true, ok, err
		}
	}
	for _, index := range slow {
		if ok, err := t.race(ctx, index); ok || err != nil {
			t.countStolen(index, ok)
			return index, true, ok, err
		}
	}
	return 0, left, false, nil
}

// slowAfter returns how long another worker may hold a chunk before this one,
// having nothing else to do, scores it as well: as long as its own chunks take on
// average. A worker that has committed none races nobody.
func (t *taker) slowAfter() time.Duration {
	mean, ok := t.holds.chunkTime()
	if !ok {
		return math.MaxInt64
	}
	return mean
}

// longestPause returns the longest pause between two looks at what others hold. It
// is short compared with the time of a chunk and that of the whole run, so that
// little of either is lost at the end.
func (t *taker) longestPause() time.Duration {
	return min(max(min(t.slowAfter()/8, time.Since(t.began)/256), firstPause), lastPause)
}

// countStolen adds a chunk of another rank's share to what this worker has to do.
func (t *taker) countStolen(index int, ok bool) {
	lo, hi := t.chunks.Share(t.world.Rank, t.world.Size)
	if ok && (index < lo || index >= hi) {
		first, last := t.chunks.Range(index)
		t.progress.Grow(last - first)
	}
}

// skip reports whether a chunk need not be taken: it is committed, or this worker
// took it before.
func (t *taker) skip(index int) bool {
	return index >= t.done.Len() || t.done.Has(index) || t.taken[index]
}

func (t *taker) claim(ctx context.Context, index int) (bool, error) {
	if t.skip(index) || t.leave.leaving() || t.claims.Leaving() {
		return false, nil
	}
	t.hook.at("before-claim", index)
	ok, err := t.claims.TryAcquire(ctx, claim.OnChunk(index))
	t.hook.at("after-claim", index)
	if err != nil || !ok {
		return false, err
	}
	if t.claims.Leaving() { // since a moment, so that the claim may not say it
		return false, t.claims.Release(ctx, claim.OnChunk(index))
	}
	t.begin(index, newHold(false))
	if t.leave.leaving() {
		return true, t.claims.Release(ctx, claim.OnChunk(index))
	}
	return true, nil
}

// race begins a chunk that another worker is slow with. At most one worker races
// for a chunk: the right to do so is claimed as well.
func (t *taker) race(ctx context.Context, index int) (bool, error) {
	ok, err := t.claims.TryAcquire(ctx, claim.OnDouble(index))
	if err != nil || !ok {
		return false, err
	}
	t.counters.Add(telemetry.Raced, 1)
	event.ChunkRaced.In(ctx, t.log).Int("chunk", index).Msg("racing a slow worker for a chunk: the first to commit wins")
	t.begin(index, newHold(true))
	return true, nil
}

// begin records that a chunk is in hand, and halts the worker at its budget.
func (t *taker) begin(index int, h *hold) {
	t.taken[index] = true
	t.holds.add(claim.OnChunk(index), h)
	first, last := t.chunks.Range(index)
	t.images += last - first
	if t.budget > 0 && t.images >= t.budget {
		t.halt.request(paused{fmt.Sprintf("the budget of %d images is spent", t.budget)})
	}
}

// longListing is how long a listing takes that is worth beginning before the end.
// A shorter one is done at the very end, and so includes all that changed.
const longListing = time.Second

// prepareEnd claims the right to finish the job when the end is near, and lists
// the images again while there is still work. Only a worker that made the first
// listing knows how long that takes.
func (t *taker) prepareEnd(ctx context.Context) error {
	commits, inHand := t.holds.counts()
	near := 2 * t.finisher.listing
	if t.endPrepared || t.finisher.listing < longListing || t.timeFor(t.shareEnd-t.next+inHand, commits) > near {
		return nil
	}
	if time.Since(t.lookedAt) > t.finisher.listing/2 {
		if err := t.refresh(ctx); err != nil {
			return err
		}
	}
	done := max(t.done.Count()-t.doneAtStart, commits)
	if t.timeFor(t.done.Len()-t.doneAtStart-done, done) > near {
		return nil // other workers, which are slower, are far from the end
	}
	t.endPrepared = true
	mine, err := t.finisher.claimEnd(ctx)
	if mine {
		t.finisher.relist()
	}
	return err
}

// timeFor returns how long so many chunks take, given how many were done since the
// start.
func (t *taker) timeFor(chunks, done int) time.Duration {
	if done == 0 {
		return math.MaxInt64
	}
	return time.Since(t.began) / time.Duration(done) * time.Duration(chunks)
}
