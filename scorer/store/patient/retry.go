package patient

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/batchscore/batchscore/scorer/store"
)

// errand is one operation on one object, tried until it succeeds or patience
// ends.
type errand struct {
	*Store
	what, name string

	tries int              // that failed since the last progress
	since time.Time        // when the first of them did
	last  *store.Transient // how the last of them did
}

func (s *Store) errand(what, name string) *errand { return &errand{Store: s, what: what, name: name} }

// progress starts patience anew.
func (e *errand) progress() { e.tries, e.since, e.last = 0, time.Time{}, nil }

// try makes the call until it succeeds, fails for good, or patience ends. limit
// bounds each call as attempt.watch does. The attempt that succeeded is still
// under way: the caller ends it.
func (e *errand) try(ctx context.Context, limit time.Duration, call func(*attempt) error) (*attempt, error) {
	return e.tryAs(ctx, true, limit, call)
}

func (e *errand) tryAs(ctx context.Context, slot bool, limit time.Duration, call func(*attempt) error) (*attempt, error) {
	for {
		a, err := e.begin(ctx, slot)
		if err != nil {
			return nil, e.ended(ctx, err)
		}
		a.watch(limit)
		err = a.verdict(call(a))
		a.unwatch()
		if err == nil {
			return a, nil
		}
		a.end(err)
		if err := e.pause(ctx, err); err != nil {
			return nil, err
		}
	}
}

// pause returns nil when it is time for another try after err, and otherwise
// the error that the operation ends with.
func (e *errand) pause(ctx context.Context, err error) error {
	t, ok := store.AsTransient(err)
	if !ok {
		return e.ended(ctx, err)
	}
	e.last = t
	if e.since.IsZero() {
		e.since = time.Now()
	}
	e.tries++
	wait := e.backOff(t)
	if until := e.until(ctx); !until.IsZero() {
		left := time.Until(until)
		if left <= 0 || t.After > left {
			return e.giveUp()
		}
		wait = min(wait, left)
	}
	if e.opt.Report != nil {
		e.opt.Report(fmt.Sprintf("%s %q", e.what, e.name), err, wait)
	}
	e.paused.Add(int64(wait))
	if err := sleep(ctx, wait); err != nil {
		return e.ended(ctx, err)
	}
	return nil
}

// backOff is the pause before the next try.
func (e *errand) backOff(t *store.Transient) time.Duration {
	most := min(float64(e.opt.Longest), float64(e.opt.First)*math.Pow(2, float64(e.tries-1)))
	wait := time.Duration(e.opt.Rand() * most)
	if t.After > 0 {
		// Who was sent away together shall not come back together.
		wait = max(wait, t.After+time.Duration(e.opt.Rand()*float64(e.opt.First)))
	}
	return wait
}

// until is when patience ends; zero if it does not.
func (e *errand) until(ctx context.Context) time.Time {
	until := e.opt.Deadline
	if d, ok := ctx.Deadline(); ok && (until.IsZero() || d.Before(until)) {
		until = d
	}
	if e.opt.Patience > 0 {
		since := e.since
		if since.IsZero() {
			since = time.Now()
		}
		if d := since.Add(e.opt.Patience); until.IsZero() || d.Before(until) {
			until = d
		}
	}
	return until
}

// giveUp is the error of an operation that failed for too long. It is no
// Transient: whoever sees it need not try again.
func (e *errand) giveUp() error {
	e.gaveUp.Add(1)
	asks := ""
	if e.last.After > 0 {
		asks = fmt.Sprintf(", and it asks to be left alone for %v", e.last.After)
	}
	return fmt.Errorf("%s %q: %w: given up after %d tries in %v%s; run again when %s answers: %w",
		e.what, e.name, store.ErrUnavailable, e.tries, time.Since(e.since).Round(time.Millisecond), asks, e.Store, e.last.Err)
}

// ended is the error of an operation that cannot go on because of err. When it
// failed before and its context's deadline is over now, patience has ended.
func (e *errand) ended(ctx context.Context, err error) error {
	if e.last != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) && errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%w: %w", e.giveUp(), err)
	}
	return err
}

// attempt is one call of the store inside, from the wait for its turn to the
// end of what it returned.
type attempt struct {
	s      *Store
	ctx    context.Context //nolint:containedctx // it is the context of this call, which a body outlives
	cancel context.CancelCauseFunc
	timer  *time.Timer
	epoch  int
	slot   bool
	ended  bool
}

var errStalled = errors.New("nothing came for too long")

// begin waits for its turn and begins a call.
func (e *errand) begin(ctx context.Context, slot bool) (*attempt, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if slot {
		if err := e.limit.acquire(ctx); err != nil {
			return nil, err
		}
	}
	a := &attempt{s: e.Store, slot: slot}
	a.ctx, a.cancel = context.WithCancelCause(ctx)
	ok, err := e.limit.quiet(ctx, e.until(ctx))
	a.epoch = e.limit.begin()
	if err == nil && !ok {
		err = fmt.Errorf("%s %q: %w: %s asks to be left alone for longer than patience lasts; run again later",
			e.what, e.name, store.ErrUnavailable, e.Store)
		e.gaveUp.Add(1)
	}
	if err != nil {
		a.finish(broken)
		return nil, err
	}
	e.calls.Add(1)
	if e.tries > 0 {
		e.retries.Add(1)
	}
	return a, nil
}

// watch ends the call unless unwatch, or watch again, comes within d.
func (a *attempt) watch(d time.Duration) {
	if a.timer == nil {
		a.timer = time.AfterFunc(d, func() { a.cancel(errStalled) })
		return
	}
	a.timer.Reset(d)
}

func (a *attempt) unwatch() { a.timer.Stop() }

// verdict is what an error of this call means: a stall and a body that ends
// early are a store.Transient too.
func (a *attempt) verdict(err error) error {
	switch {
	case err == nil:
		return nil
	case context.Cause(a.ctx) == errStalled:
		a.s.stalls.Add(1)
		return &store.Transient{Err: fmt.Errorf("%w: %w", errStalled, err)}
	case a.ctx.Err() != nil:
		return err
	case errors.Is(err, io.ErrUnexpectedEOF):
		if _, ok := store.AsTransient(err); !ok {
			return &store.Transient{Err: err}
		}
	}
	return err
}

// end ends the call, which came to err after verdict.
func (a *attempt) end(err error) {
	t, ok := store.AsTransient(err)
	switch {
	case !ok && a.ctx.Err() != nil: // the caller wanted no more of it
		a.finish(broken)
		return
	case !ok:
		a.finish(healthy)
		return
	case t.Throttled:
		a.s.throttled.Add(1)
		a.finish(throttled)
	default:
		a.finish(broken)
	}
	if t.After > 0 {
		a.s.limit.leaveAlone(t.After)
	}
}

func (a *attempt) finish(how answer) {
	if a.ended {
		return
	}
	a.ended = true
	if a.timer != nil {
		a.timer.Stop()
	}
	a.cancel(context.Canceled)
	a.s.limit.end(a.epoch, how, a.slot)
}
