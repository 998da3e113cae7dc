package scorer

import (
	"context"
	"sync"
	"time"

	"github.com/batchscore/batchscore/scorer/output"
)

// taker decides which chunk this worker does next: its own share in order, then
// what others have neither committed nor claimed, then, until nothing is left,
// what those had claimed who are dead or silent. Only the feeder calls next.
type taker struct {
	*worker
	own, ownEnd int
	listed      time.Time   // when done was read; monotonic
	done        *output.Set // chunks that were committed then

	mu   sync.Mutex
	held map[int]bool // chunks that this worker took and has not committed
	// mine is every chunk that this worker took, so that it does none twice.
	mine map[int]bool
}

func newTaker(w *worker, done *output.Set) *taker {
	t := &taker{worker: w, done: done, listed: time.Now(), held: map[int]bool{}, mine: map[int]bool{}}
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
// there is none left or the worker was asked to stop.
func (t *taker) next(ctx context.Context) (index int, ok bool, err error) {
	for t.own < t.ownEnd && !t.stopped() {
		index := t.own
		t.own++
		// What a thief has committed meanwhile is not done again.
		if time.Since(t.listed) > t.Lease/2 {
			if err := t.refresh(ctx); err != nil {
				return 0, false, err
			}
		}
		if ok, err := t.claim(ctx, index); ok || err != nil {
			return index, ok, err
		}
	}
	for pause := firstPause; !t.stopped(); pause = min(2*pause, lastPause) {
		if err := t.refresh(ctx); err != nil {
			return 0, false, err
		}
		index, left, ok, err := t.takeOver(ctx)
		if ok || !left || err != nil {
			return index, ok, err
		}
		if err := t.pause(ctx, pause); err != nil {
			return 0, false, err
		}
	}
	return 0, false, nil
}

// takeOver claims one chunk that is neither committed nor anybody's; left says
// whether any chunk is not committed and not taken by this worker.
func (t *taker) takeOver(ctx context.Context) (index int, left, ok bool, err error) {
	claims, err := t.claims.Scan(ctx, t.closed)
	if err != nil {
		return 0, true, false, err
	}
	lo, hi := t.Chunks.Share(t.World.Rank, t.World.Size)
	for index := range t.Chunks.StealOrder(t.World.Rank, t.World.Size) {
		if t.closed(index) {
			continue
		}
		left = true
		if claims[index].Live {
			continue
		}
		ok, err := t.claim(ctx, index)
		if err != nil {
			return 0, true, false, err
		}
		if ok {
			if index < lo || index >= hi {
				first, last := t.Chunks.Range(index)
				t.Progress.Grow(last - first)
			}
			return index, true, true, nil
		}
	}
	return 0, left, false, nil
}

// closed says that a chunk is of no interest: committed, or taken by this
// worker before.
func (t *taker) closed(index int) bool {
	return index >= t.done.Len() || t.done.Has(index) || t.mine[index]
}

// pause waits, less when the worker is asked to stop.
func (o *Options) pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-o.Stop:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return nil
}

func (o *Options) stopped() bool {
	select {
	case <-o.Stop:
		return true
	default:
		return false
	}
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
	ok, err := t.claims.TryAcquire(ctx, index)
	t.at("after-claim", index)
	if err != nil || !ok {
		return false, err
	}
	t.mine[index] = true
	t.mu.Lock()
	t.held[index] = true
	t.mu.Unlock()
	return true, nil
}

// committed ends the renewal of a chunk's claim.
func (t *taker) committed(index int) {
	t.claims.Forget(index)
	t.mu.Lock()
	delete(t.held, index)
	t.mu.Unlock()
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
		for _, index := range t.holding() {
			still, err := t.claims.Renew(ctx, index)
			switch {
			case ctx.Err() != nil:
				return
			case err != nil:
				// The claim stands until the lease ends; the next tick tries again.
				t.Log.Warn().Err(err).Int("chunk", index).Msg("could not renew a claim")
			case !still:
				t.Log.Warn().Int("chunk", index).Msg("another worker took this chunk over: the first to commit wins")
				t.committed(index)
			}
		}
	}
}

// release gives up what is claimed and will not be committed, so that others
// need not wait for the lease to end.
func (t *taker) release(ctx context.Context) {
	for _, index := range t.holding() {
		if err := t.claims.Release(ctx, index); err != nil {
			t.Log.Warn().Err(err).Int("chunk", index).Msg("could not release a claim")
			return
		}
	}
}

func (t *taker) holding() []int {
	t.mu.Lock()
	defer t.mu.Unlock()
	held := make([]int, 0, len(t.held))
	for i := range t.held {
		held = append(held, i)
	}
	return held
}
