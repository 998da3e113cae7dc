package main

import (
	"context"
	"time"

	"github.com/batchscore/batchscore/scorer"
	"github.com/batchscore/batchscore/scorer/judge"
	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/store"
)

// sameStart is how far apart the ends of the ranks of one start may be.
const sameStart = time.Minute

// endedFailing reports whether the ranks that were at work last stopped because too many
// images fail.
func endedFailing(p *output.Progress) bool {
	if p.Stage != output.Stopped {
		return false
	}
	var last, failing time.Time
	for _, r := range p.Ranks {
		if r.Sign.After(last) {
			last = r.Sign
		}
		if r.End == output.EndFailing && r.Sign.After(failing) {
			failing = r.Sign
		}
	}
	return !failing.IsZero() && last.Sub(failing) < sameStart
}

// failing returns the scorer.ErrFailing by which the job that writes to out was stopped
// last, nil if it never was.
func failing(ctx context.Context, out store.Store) (error, error) {
	job, err := output.ReadJob(ctx, out)
	if err != nil {
		return nil, err
	}
	var past judge.Past
	if err := past.Look(ctx, out, job.ID, false); err != nil || past.Stop == nil {
		return nil, err
	}
	limits, err := judge.ParseLimits(past.Stop.Limits)
	if err != nil {
		return nil, nil //nolint:nilerr // a newer release has other limits
	}
	why, _ := past.Stop.Holds(limits, job.MaxErrors, nil)
	return scorer.Failing(past.Stop, why, out.String()), nil
}
