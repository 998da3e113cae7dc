package scorer

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// ErrPaused means that the worker came to its deadline or budget before the job
// was done. What it committed stands; a rerun goes on from there.
var ErrPaused = errors.New("paused before the job was done; run it again to go on")

// halt is a request to take no more work, with its reason.
type halt struct {
	once   sync.Once
	c      chan struct{}
	reason error
}

func newHalt() *halt { return &halt{c: make(chan struct{})} }

// request asks for the halt; the first reason stays.
func (h *halt) request(reason error) {
	h.once.Do(func() {
		h.reason = reason
		close(h.c)
	})
}

// why is the reason, or nil while nobody asked.
func (h *halt) why() error {
	select {
	case <-h.c:
		return h.reason
	default:
		return nil
	}
}

// watch turns Stop and the deadline into requests, until ctx ends.
func (o *Options) watch(ctx context.Context) {
	var deadline <-chan time.Time
	if o.Deadline > 0 {
		timer := time.NewTimer(o.Deadline)
		defer timer.Stop()
		deadline = timer.C
	}
	select {
	case <-o.Stop:
		o.halt.request(ErrStopped)
	case <-deadline:
		o.halt.request(fmt.Errorf("%w: the deadline of %v is over", ErrPaused, o.Deadline))
	case <-ctx.Done():
	}
}

// graceful ends ctx when the grace after a request to halt is over.
func (o *Options) graceful(ctx context.Context, cancel context.CancelCauseFunc) {
	select {
	case <-o.halt.c:
		o.Log.Warn().Dur("grace", o.Grace).AnErr("reason", o.halt.why()).
			Msg("asked to stop: committing what is in hand")
	case <-ctx.Done():
		return
	}
	select {
	case <-time.After(o.Grace):
		cancel(o.halt.why())
	case <-ctx.Done():
	}
}

// because is the reason why ctx ended before its time, if it did: what else
// went wrong then did so because of it. Otherwise it is err.
func (o *Options) because(ctx context.Context, err error) error {
	if reason := o.halt.why(); err != nil && reason != nil && context.Cause(ctx) == reason {
		return reason
	}
	return err
}

// pause waits, less when the worker is asked to halt.
func (o *Options) pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-o.halt.c:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return nil
}
