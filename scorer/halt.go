package scorer

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/batchscore/batchscore/scorer/cost"
	"github.com/batchscore/batchscore/scorer/telemetry"
	"github.com/batchscore/batchscore/scorer/telemetry/event"
)

var (
	// ErrStopped means that the worker was asked to stop before the job was done.
	// What it committed is kept; a rerun continues from there.
	ErrStopped = errors.New("stopped before the job was done; start it again to continue")
	// ErrPaused means that the worker reached its deadline or budget before the job
	// was done. What it committed is kept; a rerun continues from there.
	ErrPaused = errors.New("paused before the job was done; run it again to continue")
)

// paused is ErrPaused, with the reason of it.
type paused struct{ why string }

func (p paused) Error() string { return ErrPaused.Error() + ": " + p.why }

func (paused) Unwrap() error { return ErrPaused }

// halt is a request to take no more work, with its reason.
type halt struct {
	once      sync.Once
	requested chan struct{} // closed by the first request
	reason    error
	began     time.Time // when the worker was started, from which on it costs money
}

func newHalt() *halt { return &halt{requested: make(chan struct{}), began: time.Now()} }

// request asks for the halt. The reason of the first request counts.
func (h *halt) request(reason error) {
	h.once.Do(func() {
		h.reason = reason
		close(h.requested)
	})
}

// err returns the reason, or nil if there was no request yet.
func (h *halt) err() error {
	select {
	case <-h.requested:
		return h.reason
	default:
		return nil
	}
}

// watch requests the halt once stop is closed or the deadline is over, until ctx
// ends. A deadline of 0 is none.
func (h *halt) watch(ctx context.Context, stop <-chan struct{}, deadline time.Duration) {
	var over <-chan time.Time
	if deadline > 0 {
		timer := time.NewTimer(deadline)
		defer timer.Stop()
		over = timer.C
	}
	select {
	case <-stop:
		h.request(ErrStopped)
	case <-over:
		h.request(paused{fmt.Sprintf("the deadline of %v has passed", deadline)})
	case <-ctx.Done():
	}
}

// watchMoney finds the price of this worker's device, and requests the halt once it has cost
// its share of what may be spent.
func (p *participant) watchMoney(ctx context.Context, device string) error {
	o := &p.opt
	if o.Price != nil {
		p.price = o.Price(device)
	}
	if o.Money == 0 {
		return nil
	}
	if p.price == nil {
		return fmt.Errorf("%w: the device is %s, and --price has none for it, so that --budget-money means nothing", ErrNoPrice, device)
	}
	perHour := p.price.PerHour
	if p.price.PerNode {
		perHour /= float64(max(o.World.LocalSize, 1))
	}
	lasts := time.Duration(min(o.Money/perHour, 1e5) * float64(time.Hour))
	go func() {
		timer := time.NewTimer(lasts - time.Since(p.halt.began))
		defer timer.Stop()
		select {
		case <-timer.C:
			what := "the budget of " + cost.Money(o.Money, p.price.Currency)
			if o.World.Size > 1 {
				what = fmt.Sprintf("this rank's share of the budget, %s of %s,", cost.Money(o.Money, ""), cost.Money(o.Money*float64(o.World.Size), p.price.Currency))
			}
			p.halt.request(paused{fmt.Sprintf("%s is spent, in %v at %s an hour", what, lasts.Round(time.Millisecond), p.price)})
		case <-ctx.Done():
		}
	}()
	return nil
}

// ErrNoPrice means that money is limited and a device has no price.
var ErrNoPrice = errors.New("no price")

// cancelAfter cancels the work when the grace after a request is over.
func (h *halt) cancelAfter(ctx context.Context, grace time.Duration, cancel context.CancelCauseFunc, log zerolog.Logger) {
	select {
	case <-h.requested:
		reason := h.err()
		var p paused
		if errors.As(reason, &p) {
			reason = errors.New(p.why) // what is in progress may complete the job
		}
		if errors.Is(reason, ErrFailing) {
			reason = ErrFailing // a line of the log says the rest
		}
		event.StopRequested.On(log).Float64("grace_s", telemetry.Seconds(grace)).AnErr("reason", reason).Msg("asked to stop: committing what is in progress")
	case <-ctx.Done():
		return
	}
	select {
	case <-time.After(grace):
		cancel(h.err())
	case <-ctx.Done():
	}
}

// cause returns the reason of the halt if that is why ctx was cancelled: every
// error after that is a consequence. Otherwise it returns err.
func (h *halt) cause(ctx context.Context, err error) error {
	if reason := h.err(); err != nil && reason != nil && context.Cause(ctx) == reason { //nolint:errorlint // an error that wraps it is another's
		return reason
	}
	return err
}

// wait returns after d, or earlier once the halt is requested. When ctx ends it
// returns its cause.
func (h *halt) wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-h.requested:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return nil
}
