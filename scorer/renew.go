package scorer

import (
	"context"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/batchscore/batchscore/scorer/claim"
	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/telemetry/event"
)

// renewer renews the claims of a worker, so that others see that it is alive.
type renewer struct {
	claims *claim.Claims
	holds  *holds
	lease  time.Duration
	// stop is closed when the worker is asked to end; nil if it never is.
	stop <-chan struct{}
	log  zerolog.Logger
}

// renewals is how many claims are renewed at once.
const renewals = 16

// run renews every claim three times per lease, and often enough for those who ask later
// when somebody was at work, until ctx ends. Once the worker is asked to end it renews every
// claim at once, since what asked may kill it a second later.
func (r *renewer) run(ctx context.Context) {
	stop := r.stop
	tick := time.NewTicker(min(r.lease, output.SignInterval) / 3)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-stop:
			stop = nil
			r.claims.Leave()
		}
		// Several at once: on a slow store the last one must not wait for all others.
		var g errgroup.Group
		g.SetLimit(renewals)
		for _, right := range r.holds.claimed() {
			g.Go(func() error {
				r.renew(ctx, right)
				return nil
			})
		}
		_ = g.Wait()
		if ctx.Err() != nil {
			return
		}
	}
}

func (r *renewer) renew(ctx context.Context, right claim.Right) {
	still, err := r.claims.Renew(ctx, right)
	switch {
	case ctx.Err() != nil, r.holds.get(right) == nil: // finished in the meantime
	case err != nil:
		// The claim holds until the lease ends; the next tick tries again.
		ofRight(event.ClaimNotRenewed.In(ctx, r.log), right).Err(err).Msg("could not renew a claim")
	case !still:
		ofRight(event.ClaimLost.In(ctx, r.log), right).Msg("another worker took this claim over")
		r.holds.lose(right)
	}
}

// ofRight adds which right a line of the log is about.
func ofRight(e *zerolog.Event, right claim.Right) *zerolog.Event {
	if chunk, ok := right.Chunk(); ok {
		e = e.Int("chunk", chunk)
	}
	return e.Stringer("claim", right)
}

// releaseAll gives up every claim, so that others need not wait for the lease to
// end. It is for work that will not be committed.
func (r *renewer) releaseAll(ctx context.Context) {
	var g errgroup.Group
	g.SetLimit(renewals)
	for _, right := range r.holds.claimed() {
		g.Go(func() error {
			if err := r.claims.Release(ctx, right); err != nil {
				ofRight(event.ClaimNotReleased.In(ctx, r.log), right).Err(err).Msg("could not release a claim")
			}
			return nil
		})
	}
	_ = g.Wait()
}

// Leave lets the process of a worker end at any moment without counting as a worker that
// died on its images. The zero value is ready for use, and nil does nothing.
type Leave struct {
	mu    sync.Mutex
	do    map[*func(context.Context)]bool
	begun bool
}

// Now gives up what the worker has in hand, until ctx ends. The worker may still be at
// work, but the process must end then.
func (l *Leave) Now(ctx context.Context) {
	l.mu.Lock()
	l.begun = true
	var all sync.WaitGroup
	for do := range l.do {
		all.Go(func() { (*do)(ctx) })
	}
	l.mu.Unlock()
	all.Wait()
}

// leaving reports whether Now was called, so that nothing more may be taken.
func (l *Leave) leaving() bool {
	if l == nil {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.begun
}

// with has Now call do, until over is called.
func (l *Leave) with(do func(context.Context)) (over func()) {
	if l == nil {
		return func() {}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.do == nil {
		l.do = map[*func(context.Context)]bool{}
	}
	l.do[&do] = true
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.do, &do)
	}
}
