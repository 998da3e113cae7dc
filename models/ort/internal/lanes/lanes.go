// Package lanes lets several runs share the memory of a device.
package lanes

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sync/semaphore"

	"github.com/batchscore/batchscore/models"
)

// Lanes share a device between calls: several run at the same time, or one has the
// device alone.
//
// A run that finds too little memory may have failed because of the others, or because
// of memory that ONNX Runtime keeps from earlier batch sizes. So it is repeated alone,
// after that memory was given back, and only if it fails again do the images not fit.
// If it succeeds twice only alone, batches of that size run one at a time from then on:
// one lane with whole batches gives the scores that the job's batch size gives, which
// two lanes with halves may not, and costs little, as a second lane only hides the
// copying of the next batch.
type Lanes struct {
	// Least is the smallest number of images in a run; 0 means 1.
	Least int
	// Planned is set if ONNX Runtime makes plans for the number of images in a run, as
	// it does for a GPU. The first run of another number then has the device alone and
	// all of its memory, and nothing ends it early.
	//
	// This is necessary, not only faster: a convolution that fails for want of memory
	// when the number changes keeps its old plan and takes it for the new one. Any
	// later run of that number, in any lane, would give wrong scores or write where it
	// must not. Only a run of yet another number that succeeds mends that.
	Planned bool

	count int64
	// running has a weight of 1 for each run of several, and of count for one that is
	// alone.
	running *semaphore.Weighted
	crowd   func(images int)

	mu    sync.Mutex
	alone map[int]int // runs that only succeeded alone, by number of images
	plans int         // the number of images that all plans are for; 0 if there is none
	// broken has the errors of first runs, by number of images: there may be plans that
	// are wrong for it.
	broken map[int]error
}

// crowded is the number of runs that succeeded only alone after which all of their
// size run alone. The first may have been due to leftovers of other sizes.
const crowded = 2

// New returns n lanes. They call crowd once for a number of images, after which batches
// of that many or more run one at a time.
func New(n int, crowd func(images int)) *Lanes {
	return &Lanes{count: int64(n), running: semaphore.NewWeighted(int64(n)), crowd: crowd,
		alone: map[int]int{}, broken: map[int]error{}}
}

// Count returns how many runs there may be at a time.
func (l *Lanes) Count() int { return int(l.count) }

// A Call is what one run does.
type Call interface {
	// Score scores the images. It may be called twice.
	Score(ctx context.Context) error
	// Reclaim makes ONNX Runtime give back the memory that no run uses.
	Reclaim() error
}

// Run scores n images in a lane. An error that wraps models.ErrOutOfMemory means that
// they do not fit even alone. While it waits for the device, the end of ctx ends it.
func (l *Lanes) Run(ctx context.Context, n int, c Call) error {
	weight, err := l.enter(ctx, n)
	if err != nil {
		return err
	}
	if l.unplanned(n) {
		defer l.running.Release(weight)
		return l.plan(ctx, n, c)
	}
	err = c.Score(ctx)
	l.running.Release(weight)
	if !errors.Is(err, models.ErrOutOfMemory) {
		return err
	}
	if err := l.running.Acquire(ctx, l.count); err != nil {
		return err
	}
	defer l.running.Release(l.count)
	if l.unplanned(n) { // since it failed
		return l.plan(ctx, n, c)
	}
	kept := c.Reclaim()
	if err = c.Score(ctx); err == nil {
		l.fitted(n)
	}
	return l.judge(n, err, kept, c)
}

// enter waits for a lane, or for all if n images need them. The caller releases the
// weight.
func (l *Lanes) enter(ctx context.Context, n int) (weight int64, err error) {
	if !l.unplanned(n) && !l.needAll(n) {
		if err := l.running.Acquire(ctx, 1); err != nil || !l.unplanned(n) {
			return 1, err
		}
		l.running.Release(1) // another run has changed the plans in the meantime
	}
	return l.count, l.running.Acquire(ctx, l.count)
}

// unplanned reports whether n images need new plans. What it says holds while the
// caller has a lane.
func (l *Lanes) unplanned(n int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.Planned && l.plans != n
}

// plan makes the first run of n images. The caller has all lanes.
func (l *Lanes) plan(ctx context.Context, n int, c Call) error {
	if err := l.broken[n]; err != nil {
		return err
	}
	kept := c.Reclaim()
	err := l.judge(n, c.Score(context.WithoutCancel(ctx)), kept, c)
	l.mu.Lock()
	if l.plans = n; err == nil {
		clear(l.broken)
	} else {
		l.plans, l.broken[n] = 0, err
	}
	l.mu.Unlock()
	if err == nil {
		err = ctx.Err()
	}
	return err
}

func (l *Lanes) needAll(n int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for images, times := range l.alone {
		if n >= images && times >= crowded {
			return true
		}
	}
	return false
}

func (l *Lanes) fitted(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.alone[n]++; l.alone[n] == crowded && l.count > 1 {
		l.crowd(n)
	}
}

// judge returns what it means that n images gave that error although they were alone
// and memory had been given back, or kept is why it was not. An error that may be about
// memory is taken for that until the fewest images fail in the same way.
func (l *Lanes) judge(n int, err, kept error, c Call) error {
	if !errors.Is(err, models.ErrOutOfMemory) {
		return err
	}
	if kept = errors.Join(kept, c.Reclaim()); kept != nil {
		err = fmt.Errorf("%w; memory that is not used could not be given back: %w", err, kept)
	}
	var u *UnclearError
	if !errors.As(err, &u) {
		return err
	}
	if n <= max(l.Least, 1) {
		return fmt.Errorf("%w: %w", ErrSmallest, u.Err)
	}
	return err
}

// ErrSmallest means that an error was taken for one about memory until the fewest images
// that a run can have failed with it.
var ErrSmallest = errors.New("not for want of memory, as the smallest batch fails too")

// UnclearError is about memory, or about anything else. It wraps
// models.ErrOutOfMemory until Run knows better.
type UnclearError struct{ Err error }

func (e *UnclearError) Error() string { return e.Err.Error() }

// Unwrap returns models.ErrOutOfMemory and the error itself.
func (e *UnclearError) Unwrap() []error { return []error{models.ErrOutOfMemory, e.Err} }
