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

	count int64
	// running has a weight of 1 for each run of several, and of count for one that is
	// alone.
	running *semaphore.Weighted
	crowd   func(images int)

	mu      sync.Mutex
	alone   map[int]int // runs that only succeeded alone, by number of images
	unclear int         // the most images with which a run failed for an unclear reason
}

// crowded is the number of runs that succeeded only alone after which all of their
// size run alone. The first may have been due to leftovers of other sizes.
const crowded = 2

// New returns n lanes. They call crowd once for a number of images, after which batches
// of that many or more run one at a time.
func New(n int, crowd func(images int)) *Lanes {
	return &Lanes{count: int64(n), running: semaphore.NewWeighted(int64(n)), crowd: crowd, alone: map[int]int{}}
}

// Count returns how many runs there may be at a time.
func (l *Lanes) Count() int { return int(l.count) }

// Run scores n images in a lane; reclaim makes ONNX Runtime give back the memory that
// it does not use. An error that wraps models.ErrOutOfMemory means that n images do
// not fit even alone. While it waits for the device, the end of ctx ends it.
func (l *Lanes) Run(ctx context.Context, n int, score, reclaim func() error) error {
	weight := int64(1)
	if l.needAll(n) {
		weight = l.count
	}
	err := l.hold(ctx, weight, score)
	if !errors.Is(err, models.ErrOutOfMemory) {
		return err
	}
	return l.hold(ctx, l.count, func() error {
		kept := reclaim()
		err := score()
		if err == nil {
			l.fitted(n)
		}
		if !errors.Is(err, models.ErrOutOfMemory) {
			return err
		}
		if kept = errors.Join(kept, reclaim()); kept != nil {
			err = fmt.Errorf("%w; memory that is not used could not be given back: %w", err, kept)
		}
		return l.judge(n, err)
	})
}

func (l *Lanes) hold(ctx context.Context, weight int64, f func() error) error {
	if err := l.running.Acquire(ctx, weight); err != nil {
		return err
	}
	defer l.running.Release(weight)
	return f()
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

// judge returns what it means that n images failed alone, with all memory free. An
// error that may be about memory is taken for that once; if fewer images fail in the
// same way, the fault is another one.
func (l *Lanes) judge(n int, err error) error {
	var u *UnclearError
	if !errors.As(err, &u) {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if n <= max(l.Least, 1) || n < l.unclear {
		return fmt.Errorf("%w: not for want of memory, as a smaller batch fails too: %w", models.ErrProvider, u.Err)
	}
	l.unclear = max(l.unclear, n)
	return err
}

// UnclearError is about memory, or about anything else. It wraps
// models.ErrOutOfMemory until Run knows better.
type UnclearError struct{ Err error }

func (e *UnclearError) Error() string { return e.Err.Error() }

// Unwrap returns models.ErrOutOfMemory and the error itself.
func (e *UnclearError) Unwrap() []error { return []error{models.ErrOutOfMemory, e.Err} }
