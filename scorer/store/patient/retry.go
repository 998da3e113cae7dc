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

// operation is one operation on one object, tried until it succeeds or patience
// ends.
type operation struct {
	s          *Store
	what, name string

	tries int              // failed tries since the last progress
	since time.Time        // when the first of them failed
	last  *store.Transient // the error of the last of them
}

func (s *Store) operation(what, name string) *operation {
	return &operation{s: s, what: what, name: name}
}

// progress restarts patience.
func (op *operation) progress() { op.tries, op.since, op.last = 0, time.Time{}, nil }

// try makes the call until it succeeds, fails permanently, or patience ends. limit
// bounds each call as attempt.watch does. The attempt that succeeded is still
// under way: the caller ends it.
func (op *operation) try(ctx context.Context, limit time.Duration, call func(*attempt) error) (*attempt, error) {
	return op.tryAs(ctx, true, limit, call)
}

func (op *operation) tryAs(ctx context.Context, slot bool, limit time.Duration, call func(*attempt) error) (*attempt, error) {
	for {
		a, err := op.begin(ctx, slot)
		if err != nil {
			return nil, op.ended(ctx, err)
		}
		heard := func() bool { return true }
		if by := op.s.contactBy(); !by.IsZero() {
			limit = min(limit, time.Until(by))
			heard = op.reportSilence(ctx)
		}
		a.watch(limit)
		err = a.verdict(call(a))
		heard()
		a.unwatch()
		if err == nil {
			return a, nil
		}
		a.end(err)
		if err := op.pause(ctx, err); err != nil {
			return nil, err
		}
	}
}

// silence is how long a place may take for its first answer before that is reported.
const silence = 5 * time.Second

// reportSilence reports that the place gives no answer yet, unless the function that it
// returns is called soon.
func (op *operation) reportSilence(ctx context.Context) (heard func() bool) {
	if op.s.opt.Report == nil {
		return func() bool { return true }
	}
	until := op.until(ctx) // now: the operation continues while the timer's function runs
	return time.AfterFunc(silence, func() {
		op.s.opt.Report(Pause{What: op.text(), Until: until, Err: fmt.Errorf("%s in %s: no answer yet", op.text(), op.s)})
	}).Stop
}

// text says what is done to which object.
func (op *operation) text() string {
	if op.name == "" { // a listing of everything
		return op.what
	}
	return fmt.Sprintf("%s %q", op.what, op.name)
}

// pause returns nil when it is time for another try after err, and otherwise
// the error that the operation ends with.
func (op *operation) pause(ctx context.Context, err error) error {
	t, ok := store.AsTransient(err)
	if !ok {
		return op.ended(ctx, err)
	}
	op.last = t
	if op.since.IsZero() {
		op.since = time.Now()
	}
	op.tries++
	wait := op.backOff(t)
	if until := op.until(ctx); !until.IsZero() {
		left := time.Until(until)
		if !op.s.contactBy().IsZero() {
			left -= shortest // the next call needs it
		}
		if left <= 0 || t.After > left {
			return op.giveUp()
		}
		wait = min(wait, left)
	}
	if op.s.opt.Report != nil {
		op.s.opt.Report(Pause{What: op.text(), Err: err, Wait: wait, Until: op.until(ctx)})
	}
	op.s.paused.Add(int64(wait))
	if err := sleep(ctx, wait); err != nil {
		return op.ended(ctx, err)
	}
	return nil
}

// backOff returns the pause before the next try.
func (op *operation) backOff(t *store.Transient) time.Duration {
	most := min(float64(op.s.opt.Longest), float64(op.s.opt.First)*math.Pow(2, float64(op.tries-1)))
	wait := time.Duration(op.s.opt.Rand() * most)
	if t.After > 0 {
		// Calls that were throttled together shall not come back together.
		wait = max(wait, t.After+time.Duration(op.s.opt.Rand()*float64(op.s.opt.First)))
	}
	return wait
}

// until returns when patience ends; zero if it does not.
func (op *operation) until(ctx context.Context) time.Time {
	until := op.s.opt.Deadline
	if d, ok := ctx.Deadline(); ok && (until.IsZero() || d.Before(until)) {
		until = d
	}
	if by := op.s.contactBy(); !by.IsZero() && (until.IsZero() || by.Before(until)) {
		until = by
	}
	if op.s.opt.Patience > 0 {
		since := op.since
		if since.IsZero() {
			since = time.Now()
		}
		if d := since.Add(op.s.opt.Patience); until.IsZero() || d.Before(until) {
			until = d
		}
	}
	return until
}

// giveUp returns the error of an operation that failed for too long. It does not
// wrap a Transient, since another try would not help.
func (op *operation) giveUp() error {
	op.s.gaveUp.Add(1)
	if !op.s.contactBy().IsZero() {
		return op.noContact()
	}
	asks := ""
	if op.last.After > 0 {
		asks = fmt.Sprintf(", and it asks to wait %v", op.last.After)
	}
	return fmt.Errorf("%s %q: %w: given up after %d tries in %v%s; run again when %s answers: %w",
		op.what, op.name, store.ErrUnavailable, op.tries, time.Since(op.since).Round(time.Millisecond), asks, op.s, op.last.Err)
}

// noContact returns the error of an operation at a place that has never answered.
func (op *operation) noContact() error {
	// The context of the operation may have ended.
	ctx, cancel := context.WithTimeout(context.Background(), describing)
	defer cancel()
	tried := ""
	if how := store.HowReached(ctx, op.s.inner); how != "" {
		tried = "\n  tried: " + how
	}
	calls := "one call"
	if n := op.s.calls.Load(); n > 1 {
		calls = fmt.Sprintf("%d calls", n)
	}
	waited := time.Since(op.s.began)
	if waited = waited.Round(time.Second); waited == 0 {
		waited = time.Since(op.s.began).Round(time.Millisecond)
	}
	return fmt.Errorf("%w: %s gave no answer in %v to %s\n  error: %w%s\n  correct the address if it is wrong, or else run again when it answers",
		store.ErrUnavailable, op.s, waited, calls, op.last.Err, tried)
}

// shortest is the least time that a call gets before the first answer.
const shortest = time.Second

// describing is how long the description of a place may take.
const describing = 3 * time.Second

// ended returns the error of an operation that ends because of err. When it
// failed before and its context's deadline is over now, patience has ended.
func (op *operation) ended(ctx context.Context, err error) error {
	if op.last != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) && errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%w: %w", op.giveUp(), err)
	}
	return err
}

// attempt is one call of the store inside, from the wait for a slot to the end
// of what the call returned.
type attempt struct {
	s      *Store
	ctx    context.Context //nolint:containedctx // it is the context of this call, and its body outlives the function
	cancel context.CancelCauseFunc
	timer  *time.Timer
	epoch  int
	slot   bool
	ended  bool
}

var errStalled = errors.New("no data came for too long")

// begin waits until a call may be made, and begins it.
func (op *operation) begin(ctx context.Context, slot bool) (*attempt, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if slot {
		if err := op.s.limit.acquire(ctx); err != nil {
			return nil, err
		}
	}
	a := &attempt{s: op.s, slot: slot}
	a.ctx, a.cancel = context.WithCancelCause(ctx)
	ok, err := op.s.limit.awaitPause(ctx, op.until(ctx))
	a.epoch = op.s.limit.begin()
	if err == nil && !ok {
		err = fmt.Errorf("%s %q: %w: %s asks for a longer pause than the limit on retries allows; run again later",
			op.what, op.name, store.ErrUnavailable, op.s)
		op.s.gaveUp.Add(1)
	}
	if err != nil {
		a.finish(broken)
		return nil, err
	}
	op.s.calls.Add(1)
	if op.tries > 0 {
		op.s.retries.Add(1)
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

// verdict returns err, or a store.Transient if the call stalled or its body ended
// early.
func (a *attempt) verdict(err error) error {
	err = a.judge(err)
	if t, ok := store.AsTransient(err); ok && t.Answered || !ok && a.ctx.Err() == nil {
		a.s.answered.Store(true)
	}
	return err
}

func (a *attempt) judge(err error) error {
	switch {
	case err == nil:
		return nil
	case context.Cause(a.ctx) == errStalled: //nolint:errorlint // one that wraps it is of another call
		a.s.stalls.Add(1)
		if errors.Is(err, context.Canceled) {
			return &store.Transient{Err: errStalled} // we cancelled it
		}
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

// end ends the call, whose verdict is err.
func (a *attempt) end(err error) {
	t, ok := store.AsTransient(err)
	switch {
	case !ok && a.ctx.Err() != nil: // the caller cancelled it
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
		a.s.limit.pauseFor(t.After)
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
