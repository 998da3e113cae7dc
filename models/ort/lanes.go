package ort

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sync/semaphore"

	"github.com/batchscore/batchscore/models"
)

// lanes share a device between calls: several run at the same time, or one has the
// device alone.
//
// A run that finds too little memory may have failed because of the others, or because
// of memory that ONNX Runtime keeps from earlier batch sizes. So it is repeated alone,
// after that memory was given back, and only if it fails again do the images not fit.
// If it succeeds twice only alone, batches of that size run one at a time from then on:
// one lane with whole batches gives the scores that the job's batch size gives, which
// two lanes with halves may not, and costs little, as a second lane only hides the
// copying of the next batch.
type lanes struct {
	count int64
	// least is the smallest number of images in a run.
	least int
	// running has a weight of 1 for each run of several, and of count for one that is
	// alone.
	running *semaphore.Weighted
	// crowd is told once that batches of n images run one at a time.
	crowd func(n int)

	mu      sync.Mutex
	alone   map[int]int // runs that only succeeded alone, by number of images
	unclear int         // the most images with which a run failed for an unclear reason
}

// crowded is the number of runs that succeeded only alone after which all of their
// size run alone. The first may have been due to leftovers of other sizes.
const crowded = 2

func newLanes(n int, crowd func(n int)) *lanes {
	return &lanes{count: int64(n), least: 1, running: semaphore.NewWeighted(int64(n)), crowd: crowd, alone: map[int]int{}}
}

// run scores n images in a lane; reclaim makes ONNX Runtime give back the memory that
// it does not use. An error that wraps models.ErrOutOfMemory means that n images do
// not fit even alone. While it waits for the device, the end of ctx ends it.
func (l *lanes) run(ctx context.Context, n int, score, reclaim func() error) error {
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

func (l *lanes) hold(ctx context.Context, weight int64, f func() error) error {
	if err := l.running.Acquire(ctx, weight); err != nil {
		return err
	}
	defer l.running.Release(weight)
	return f()
}

func (l *lanes) needAll(n int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for images, times := range l.alone {
		if n >= images && times >= crowded {
			return true
		}
	}
	return false
}

func (l *lanes) fitted(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.alone[n]++; l.alone[n] == crowded && l.count > 1 {
		l.crowd(n)
	}
}

// judge returns what it means that n images failed alone, with all memory free. An
// error that may be about memory is taken for that once; if fewer images fail in the
// same way, the fault is another one.
func (l *lanes) judge(n int, err error) error {
	var u *unclearError
	if !errors.As(err, &u) {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if n <= l.least || n < l.unclear {
		return fmt.Errorf("%w: not for want of memory, as a smaller batch fails too: %w", models.ErrProvider, u.err)
	}
	l.unclear = max(l.unclear, n)
	return err
}
