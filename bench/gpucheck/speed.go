package gpucheck

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// The limits of speeds.
const (
	// leastOfOneSession is the share of the speed of one session that two must reach. The
	// rest is for chance.
	leastOfOneSession = 0.95
)

// speedClaims are about the speed of devices on ready tensors.
func speedClaims() []Claim {
	return []Claim{{
		Subject: Speed, Name: "points", Says: "Every point of the sweep can be measured.",
		Limit: "no error", Cost: 60 * time.Second,
		Check: func(ctx context.Context, s *Session) (Outcome, error) {
			w, err := s.swept(ctx)
			if err == nil && len(w.points) == 0 {
				err = skipf("there was no time for any of the %d points", len(s.figures.unmeasured))
			}
			if err != nil {
				return Outcome{}, err
			}
			return measured(w.err == nil, "%d points were measured, and %d were not, which the report lists%s", len(w.points), len(s.figures.unmeasured), w.trouble())
		},
	}, {
		Subject: Speed, Name: "fp16", Says: "Models in float16 are faster than in float32.",
		Limit: "faster, at each one's best point", Cost: time.Second,
		Check: func(ctx context.Context, s *Session) (Outcome, error) {
			w, err := s.swept(ctx)
			if err != nil {
				return Outcome{}, err
			}
			ok, said := true, []string(nil)
			for _, model := range s.Speed {
				a, b := w.best(model, fp32), w.best(model, fp16)
				if a == nil || b == nil {
					return Outcome{}, skipf("there was no time to measure %s in both precisions", model)
				}
				ok = ok && b.rate > a.rate
				said = append(said, fmt.Sprintf("%s: %.0f images/s in float16, %.0f in float32 (%.2f times)", model, b.rate, a.rate, b.rate/a.rate))
			}
			return measured(ok, "%s", strings.Join(said, "; "))
		},
	}, {
		Subject: Speed, Name: "sessions", Says: "Two sessions are not slower than one.",
		Limit: fmt.Sprintf("%g of the speed of one", leastOfOneSession), Cost: time.Second,
		Check: func(ctx context.Context, s *Session) (Outcome, error) {
			w, err := s.swept(ctx)
			if err != nil {
				return Outcome{}, err
			}
			least, said := 0.0, ""
			for i := range w.points {
				one := &w.points[i]
				two := w.at(one.setting, Cell{one.Batch, 2})
				if one.Sessions != 1 || one.Batch != batch || two == nil {
					continue
				}
				if ratio := two.rate / one.rate; said == "" || ratio < least {
					least, said = ratio, fmt.Sprintf("%v, batch %d: %.0f images/s with two, %.0f with one (%.2f)", one.setting, batch, two.rate, one.rate, ratio)
				}
			}
			if said == "" {
				return Outcome{}, skipf("there was no time to measure one and two sessions")
			}
			return measured(least >= leastOfOneSession, "the least gain: %s", said)
		},
	}}
}

// trouble returns the errors of the sweep for the end of a sentence.
func (w *sweep) trouble() string {
	if w.err == nil {
		return ""
	}
	return ": " + w.err.Error()
}

// best returns the fastest point of a model in a precision; nil for none.
func (w *sweep) best(model, precision string) *point {
	var best *point
	for i := range w.points {
		p := &w.points[i]
		if p.model == model && p.precision == precision && (best == nil || p.rate > best.rate) {
			best = p
		}
	}
	return best
}

// at returns a point; nil if it was not measured.
func (w *sweep) at(p setting, c Cell) *point {
	for i := range w.points {
		if w.points[i].setting == p && w.points[i].Cell == c {
			return &w.points[i]
		}
	}
	return nil
}
