package gpucheck

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/batchscore/batchscore/models"
)

// The limits of speeds.
const (
	// leastOfOneSession is the share of the speed of one session that two must reach. The
	// rest is for chance.
	leastOfOneSession = 0.95
	// leastBusy is the share of the time in which the GPU must compute, at its best point.
	leastBusy = 0.95
	// tensorCores is the compute capability from which GPUs have tensor cores.
	tensorCores = 7.0
	// firstTF32 is the one from which they have TF32.
	firstTF32 = 8.0
)

// capable returns an error of skipf if the first GPU has a lower compute capability.
func (s *Session) capable(ctx context.Context, least float64) error {
	gpus, err := s.facts(ctx)
	if err != nil {
		return err
	}
	if c, err := strconv.ParseFloat(gpus[0].Capability, 64); err != nil || c < least {
		return skipf("not applicable: the GPU has the compute capability %q, and %.1f is needed", gpus[0].Capability, least)
	}
	return nil
}

// speedClaims are about the speed of devices on ready tensors.
func speedClaims() []Claim {
	return []Claim{{
		Subject: Speed, Name: "points", Says: "Every point of the sweep can be measured.",
		Limit: "no error", Cost: 60 * time.Second,
		Check: func(ctx context.Context, s *Session) (Outcome, error) {
			w, err := s.swept(ctx)
			if err == nil && len(w.failed) == 0 && len(w.points) == 0 {
				err = skipf("there was no time for any of the %d points", len(s.figures.unmeasured))
			}
			if err != nil {
				return Outcome{}, err
			}
			return measured(len(w.failed) == 0, "%d points were measured, and %d were not, which the report lists%s",
				len(w.points), len(s.figures.unmeasured), w.trouble())
		},
	}, {
		Subject: Speed, Name: "fp16", Says: fmt.Sprintf("Models in float16 are faster than in float32, from compute capability %.1f.", tensorCores),
		Limit: "faster, at each one's best point", Cost: time.Second,
		Check: func(ctx context.Context, s *Session) (Outcome, error) {
			w, err := s.swept(ctx)
			if err != nil {
				return Outcome{}, err
			}
			if err := s.capable(ctx, tensorCores); err != nil {
				return Outcome{}, err
			}
			ok, said := true, []string(nil)
			for _, model := range s.Speed {
				a, b := w.best(model, fp32), w.best(model, fp16)
				if a == nil || b == nil {
					return Outcome{}, skipf("%s was not measured in both precisions", nameOf(model))
				}
				ok = ok && b.rate > a.rate
				said = append(said, fmt.Sprintf("%s: %.0f images/s in float16, %.0f in float32 (%.2f times)", nameOf(model), b.rate, a.rate, b.rate/a.rate))
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
				return Outcome{}, skipf("one and two sessions were not measured")
			}
			return measured(least >= leastOfOneSession, "the least gain: %s", said)
		},
	}, {
		Subject: Speed, Name: "busy", Says: "At the best point of each model the GPU is never idle.",
		Limit: fmt.Sprintf("it computes %g of the time", leastBusy), Cost: 15 * time.Second,
		Check: func(ctx context.Context, s *Session) (Outcome, error) {
			w, err := s.swept(ctx)
			if err != nil {
				return Outcome{}, err
			}
			least, said := 1.0, []string(nil)
			for _, model := range s.Speed {
				if p := w.best(model, ""); p != nil {
					busy, text, err := s.busy(ctx, p)
					if err != nil {
						return Outcome{}, err
					}
					least, said = min(least, busy), append(said, text)
				}
			}
			if len(said) == 0 {
				return Outcome{}, skipf("no speed was measured")
			}
			return measured(least >= leastBusy, "%s", strings.Join(said, "; "))
		},
	}, {
		Subject: Speed, Name: "copy", Says: "Float32 images are copied to the GPU faster than the fastest model takes them.",
		Limit: "more bytes per second", Cost: 8 * time.Second,
		Check: func(ctx context.Context, s *Session) (Outcome, error) {
			w, err := s.swept(ctx)
			if err != nil {
				return Outcome{}, err
			}
			return s.copied(ctx, w)
		},
	}}
}

// busy measures a point again, for long enough that the GPU's own figures count, and
// returns the share of the time in which it computed.
func (s *Session) busy(ctx context.Context, p *point) (float64, string, error) {
	file, err := s.speedModel(ctx, p.setting)
	if err != nil {
		return 0, "", err
	}
	const times = 4 // the GPU is read once a second
	all, err := s.readings(ctx, p.plan(file, []Cell{p.Cell}, times*max(s.Least, time.Second/2)))
	switch {
	case err != nil:
		return 0, "", err
	case len(all) == 0 || all[0].Error != "":
		return 0, "", fmt.Errorf("%v, batch %d: it was measured before, and cannot be measured again", p.setting, p.Batch)
	case all[0].Use == nil || all[0].Use.Busy == nil:
		return 0, "", skipf("the driver does not say how busy this GPU is")
	}
	u := all[0].Use
	text := fmt.Sprintf("%v, batch %d, %s: %.0f images/s, busy %.0f%%", p.setting, p.Batch, counted(p.Sessions, "session"), all[0].Rate, 100**u.Busy)
	if u.ClockMHz > 0 {
		text += fmt.Sprintf(", %.0f MHz", u.ClockMHz)
	}
	if u.Watts > 0 {
		text += fmt.Sprintf(", %.0f W", u.Watts)
	}
	if u.ThrottledSeconds > 0 {
		text += fmt.Sprintf(", its clock was lowered for %.1f s", u.ThrottledSeconds)
	}
	return *u.Busy, text, nil
}

// copied compares how many bytes per second are copied to the GPU with how many the
// fastest model takes.
func (s *Session) copied(ctx context.Context, w *sweep) (Outcome, error) {
	model, err := s.copier(ctx)
	if err != nil {
		return Outcome{}, err
	}
	copier := setting{model: "copier", precision: fp32}
	all, err := s.readings(ctx, copier.plan(model, []Cell{{32, 1}, {32, 2}, {128, 2}}, s.Least))
	if err != nil {
		return Outcome{}, err
	}
	const giga = 1e9
	most := 0.0
	for _, r := range all {
		if r.Error == "" {
			most = max(most, r.Rate*copierBytes/giga)
			sample := sampleOf(copier, *r.Cell, r)
			sample.Name = copyName
			s.figures.samples = append(s.figures.samples, sample)
		}
	}
	needed, said := 0.0, ""
	for i := range w.points {
		p := &w.points[i]
		file, err := s.speedModel(ctx, p.setting)
		if err != nil {
			return Outcome{}, err
		}
		m, err := models.Open(file, models.OpenOptions{})
		if err != nil {
			return Outcome{}, err
		}
		if takes := p.rate * float64(m.Contract.Preprocess.RowBytes()) / giga; takes > needed {
			needed, said = takes, fmt.Sprintf("%v takes %.2f GB/s", p.setting, takes)
		}
	}
	if said == "" {
		return Outcome{}, skipf("%.1f GB/s are copied, and no model was measured to compare that with", most)
	}
	return measured(most > needed, "%.1f GB/s are copied; %s", most, said)
}

// plan returns the plan for cells of a setting.
func (p setting) plan(file string, cells []Cell, least time.Duration) Plan {
	lanes := 1
	for _, c := range cells {
		lanes = max(lanes, c.Sessions)
	}
	return Plan{Model: file, Lanes: lanes, Cells: cells, Least: least, TF32: p.precision == tf32, NHWC: p.nhwc}
}

// trouble returns what failed, for the end of a sentence.
func (w *sweep) trouble() string {
	if len(w.failed) == 0 {
		return ""
	}
	text := fmt.Sprintf(": %v failed: %v", w.failed[0].setting, w.failed[0].err)
	if n := len(w.failed) - 1; n > 0 {
		text += fmt.Sprintf("; and %d more", n)
	}
	return text
}

// best returns the fastest point of a model in a precision, or in any if that is empty;
// nil for none.
func (w *sweep) best(model, precision string) *point {
	var best *point
	for i := range w.points {
		p := &w.points[i]
		if p.model == model && (precision == "" || p.precision == precision) && (best == nil || p.rate > best.rate) {
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
