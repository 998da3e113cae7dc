package patient

import (
	"container/list"
	"context"
	"sync"
	"time"
)

// limiter bounds the calls under way: additive increase, multiplicative
// decrease.
type limiter struct {
	max    float64
	rescue time.Duration

	mu    sync.Mutex
	limit float64
	busy  int
	// epoch counts the decreases. A throttled call that began before the last
	// one tells nothing new.
	epoch int
	queue list.List // of chan struct{}, each closed when its waiter has a slot
	freed time.Time // when the last slot was freed
	pause time.Time // until when the place must get no calls
}

func newLimiter(concurrency int, rescue time.Duration) *limiter {
	return &limiter{max: float64(concurrency), limit: float64(concurrency), rescue: rescue}
}

// acquire waits for a slot. Slots go to callers in the order of their calls.
//
// A caller that keeps a body open while it opens another could wait for itself.
// So acquire gives one more slot when none was freed for as long as a stall.
func (l *limiter) acquire(ctx context.Context) error {
	l.mu.Lock()
	if l.busy < int(l.limit) && l.queue.Len() == 0 {
		l.busy++
		l.mu.Unlock()
		return nil
	}
	granted := make(chan struct{})
	place := l.queue.PushBack(granted)
	l.mu.Unlock()

	timer := time.NewTimer(l.rescue)
	defer timer.Stop()
	for {
		select {
		case <-granted:
			return nil
		case <-ctx.Done():
			l.mu.Lock()
			defer l.mu.Unlock()
			if isClosed(granted) {
				l.free()
			} else {
				l.queue.Remove(place)
			}
			return ctx.Err()
		case <-timer.C:
			l.mu.Lock()
			idle := min(time.Since(l.freed), time.Since(l.pause))
			if idle >= l.rescue && !isClosed(granted) {
				l.queue.Remove(place)
				close(granted)
				l.busy++
			}
			l.mu.Unlock()
			timer.Reset(max(l.rescue-idle, time.Millisecond))
		}
	}
}

func isClosed(c chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// begin returns the epoch of a call that begins now.
func (l *limiter) begin() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.epoch
}

// answer is what a call says about the place.
type answer int

const (
	healthy   answer = iota // it answered, whatever it said
	broken                  // the call came to nothing
	throttled               // the place gets too many calls
)

// end takes the answer to a call of that epoch into account, and frees its slot
// if it had one.
func (l *limiter) end(epoch int, a answer, slot bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case a == healthy:
		l.limit = min(l.max, l.limit+1/l.limit)
	case a == throttled && epoch == l.epoch:
		l.epoch++
		l.limit = max(1, min(l.limit, float64(l.busy))/2)
	}
	if slot {
		l.free()
	} else {
		l.grant()
	}
}

// free frees a slot. The caller holds mu.
func (l *limiter) free() {
	l.busy--
	l.freed = time.Now()
	l.grant()
}

// grant gives free slots to waiting callers. The caller holds mu.
func (l *limiter) grant() {
	for l.busy < int(l.limit) && l.queue.Len() > 0 {
		l.busy++
		close(l.queue.Remove(l.queue.Front()).(chan struct{}))
	}
}

// pauseFor holds back all calls for d from now on.
func (l *limiter) pauseFor(d time.Duration) {
	until := time.Now().Add(d)
	l.mu.Lock()
	defer l.mu.Unlock()
	if until.After(l.pause) {
		l.pause = until
	}
}

// awaitPause waits until calls may be made again. It returns false at once if
// that will not be before the time given.
func (l *limiter) awaitPause(ctx context.Context, before time.Time) (bool, error) {
	for {
		l.mu.Lock()
		pause := l.pause
		l.mu.Unlock()
		wait := time.Until(pause)
		switch {
		case wait <= 0:
			return true, nil
		case !before.IsZero() && pause.After(before):
			return false, nil
		}
		if err := sleep(ctx, wait); err != nil {
			return false, err
		}
	}
}

func (l *limiter) gauges() (limit, busy int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return int(l.limit), l.busy
}

// sleep waits for d or the end of ctx, whose error it then returns.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
