package deploy

import (
	"context"
	"time"
)

// Sleep waits for as long as d. It returns the context's error if that ends
// first.
func Sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Poll calls look again and again, with a pause between calls, until look is done
// or returns an error, or the context ends.
func Poll(ctx context.Context, pause time.Duration, look func(context.Context) (done bool, err error)) error {
	for {
		if done, err := look(ctx); done || err != nil {
			return err
		}
		if err := Sleep(ctx, pause); err != nil {
			return err
		}
	}
}

// PollFor is Poll for a limited time. It reports whether look was done within
// that time; a call of look that has begun is not interrupted.
func PollFor(ctx context.Context, limit, pause time.Duration, look func(context.Context) (done bool, err error)) (done bool, err error) {
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var failed error
	err = Poll(limited, pause, func(context.Context) (bool, error) {
		done, failed = look(ctx)
		return done, failed
	})
	if err == nil || failed != nil {
		return done, failed
	}
	return false, ctx.Err() // nil if only the time is up
}
