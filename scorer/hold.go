package scorer

import (
	"sync"
	"time"

	"github.com/batchscore/batchscore/scorer/claim"
)

// hold is one right that this worker took and has not finished with: mostly a
// chunk on its way to its part.
type hold struct {
	since time.Time
	// racing is true if another worker has the claim, so that this one does not
	// renew it. It may have been so from the start, or since the claim was lost.
	racing bool
	// gone is closed once another worker has committed the chunk, so that what is
	// left of it need not be done.
	gone chan struct{}
}

func newHold(racing bool) *hold {
	return &hold{since: time.Now(), racing: racing, gone: make(chan struct{})}
}

// dropped reports whether another worker has committed the chunk.
func (h *hold) dropped() bool {
	select {
	case <-h.gone:
		return true
	default:
		return false
	}
}

// holds is everything that this worker took and has not finished with. Its methods
// may be called from any number of goroutines.
type holds struct {
	claims *claim.Claims
	wake   chan struct{} // receives a token whenever a chunk is committed

	mu      sync.Mutex
	byRight map[claim.Right]*hold
	// Of the chunks that this worker committed: how many, and how long they took
	// from claim to commit in all.
	commits int
	spent   time.Duration
}

func newHolds(claims *claim.Claims) *holds {
	return &holds{claims: claims, wake: make(chan struct{}, 1), byRight: map[claim.Right]*hold{}}
}

func (h *holds) add(r claim.Right, one *hold) {
	h.mu.Lock()
	h.byRight[r] = one
	h.mu.Unlock()
}

// get returns the hold on a right, or nil.
func (h *holds) get(r claim.Right) *hold {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.byRight[r]
}

// racing reports whether another worker has the claim on a right that this one holds.
func (h *holds) racing(r claim.Right) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	one := h.byRight[r]
	return one != nil && one.racing
}

// chunks returns the number of chunks in hand.
func (h *holds) chunks() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.chunksLocked()
}

func (h *holds) chunksLocked() int {
	n := len(h.byRight)
	if h.byRight[claim.OnEnd] != nil {
		n--
	}
	return n
}

// claimed returns the rights that this worker has the claim on.
func (h *holds) claimed() []claim.Right {
	h.mu.Lock()
	defer h.mu.Unlock()
	var rights []claim.Right
	for r, one := range h.byRight {
		if !one.racing {
			rights = append(rights, r)
		}
	}
	return rights
}

// lose records that another worker took over the claim on a right.
func (h *holds) lose(r claim.Right) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if one := h.byRight[r]; one != nil {
		one.racing = true
	}
}

// drop marks the chunks in hand that others have committed.
func (h *holds) drop(committed func(chunk int) bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for r, one := range h.byRight {
		if chunk, ok := r.Chunk(); ok && committed(chunk) && !one.dropped() {
			close(one.gone)
		}
	}
}

// remove ends the hold on a chunk, whose part exists now: by this worker or by
// another.
func (h *holds) remove(chunk int) {
	r := claim.OnChunk(chunk)
	h.mu.Lock()
	if one := h.byRight[r]; one != nil && !one.dropped() {
		h.commits++
		h.spent += time.Since(one.since)
	}
	delete(h.byRight, r)
	h.mu.Unlock()
	h.claims.Forget(r) // last: a renewal that finds no hold does not count that as a loss
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

// chunkTime returns how long this worker's chunks took on average, from claim to
// commit; ok is false if it has committed none yet.
func (h *holds) chunkTime() (mean time.Duration, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.commits == 0 {
		return 0, false
	}
	return h.spent / time.Duration(h.commits), true
}

// counts returns how many chunks this worker has committed, and how many it has
// in hand.
func (h *holds) counts() (commits, inHand int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.commits, h.chunksLocked()
}
