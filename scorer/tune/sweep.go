package tune

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/batchscore/batchscore/models"
)

// Choice is what suits a device.
type Choice struct {
	Batch    int `json:"batch"`
	Sessions int `json:"sessions"`
	// Rate in images per second, with that batch and those sessions.
	Rate float64 `json:"rate"`
	// Why is what was measured, for the log.
	Why string `json:"why"`
}

// Candidates are what Sweep chooses from, each list in ascending order. If a list
// has one candidate, that is the choice.
type Candidates struct {
	Batches, Sessions []int
	// Serial is Device.Serial.
	Serial bool
	// Usual is the batch size to choose if it would take too long to measure it; 0 is
	// the largest that was measured.
	Usual int
}

const (
	// enough is the part of the best rate from which on a higher rate is not worth
	// more memory and more latency.
	enough = 0.98
	// share is the part of the budget that one point may take before larger
	// ones are left out.
	share = 0.25
	// patience is how many budgets the first calls of one batch size may take. A GPU's
	// libraries make plans in them: on some, a second for every convolution.
	patience = 10
)

// Sweep measures a device within about a budget of time: every batch size with the
// most sessions, then every number of sessions with the batch size chosen. It
// chooses the smallest of each that gives at least 0.98 of the best rate, so that a
// noisy machine does not lead to large batches. It leaves out what does not fit into
// the device's memory or would take too long. If not even the smallest candidate
// fits, it tries halves of it.
//
// The first calls of a device, and those of each batch size on a device of its own,
// are neither measured nor part of the budget.
func Sweep(ctx context.Context, e Engine, c models.Contract, from Candidates, budget time.Duration) (Choice, error) {
	d := NewDevice(e, c, slices.Max(from.Batches))
	d.Serial = from.Serial
	s := &sweeper{rate: d.Rate, now: time.Now, from: from, budget: budget}
	return s.sweep(ctx)
}

type sweeper struct {
	rate   func(ctx context.Context, sessions, batch int, least time.Duration) (float64, int, error) // Device.Rate
	now    func() time.Time
	from   Candidates
	budget time.Duration
}

func (s *sweeper) sweep(ctx context.Context) (Choice, error) {
	batches, sessions := s.from.Batches, s.from.Sessions
	most := slices.Max(sessions)
	m, err := s.measure(ctx, batches, s.from.Serial, func(n int) (int, int) { return most, n })
	for first := batches[0]; models.TooLarge(err) && first > 1; {
		first /= 2
		m, err = s.measure(ctx, []int{first}, true, func(n int) (int, int) { return most, n })
	}
	if err != nil {
		return Choice{}, err
	}
	choice := Choice{Sessions: most}
	choice.Batch, choice.Rate = m.best()
	choice.Why = m.describe("batch")
	switch usual := s.from.Usual; {
	case len(batches) == 1:
		choice.Batch = batches[0] // the run halves it as it must
	case m.late && usual > m.points[len(m.points)-1]:
		choice.Batch = usual
		choice.Why += fmt.Sprintf(", so it is %d, as usual", usual)
	}
	if len(sessions) > 1 {
		batch, _ := m.best()
		m, err := s.measure(ctx, sessions, false, func(n int) (int, int) { return n, batch })
		if err != nil {
			return Choice{}, err
		}
		choice.Sessions, choice.Rate = m.best()
		choice.Why += "; " + m.describe("sessions")
	}
	return choice, nil
}

// measured is what was measured of the first points of a list.
type measured struct {
	points []int
	rates  []float64 // images per second
	left   string    // which points were left out, and why
	late   bool      // they would have taken too long
}

// measure measures points, each at a number of sessions and a batch size, until one
// does not fit or the time is used up. The first point is run once before, and every
// point if each has first calls that differ.
func (s *sweeper) measure(ctx context.Context, points []int, first bool, at func(n int) (sessions, batch int)) (m measured, err error) {
	least := s.budget / time.Duration(2*(len(s.from.Batches)+len(s.from.Sessions)))
	leave := func(n int, why string) {
		m.left = fmt.Sprintf("%d", n)
		if n != points[len(points)-1] {
			m.left += " and more"
		}
		m.left += " left out: " + why
	}
	for i, n := range points {
		sessions, batch := at(n)
		start, rate := s.now(), 0.0
		if first || i == 0 {
			rate, _, err = s.rate(ctx, sessions, batch, 0)
		}
		took := s.now().Sub(start)
		slow := took > patience*s.budget
		start = s.now()
		if err == nil && !slow {
			rate, _, err = s.rate(ctx, sessions, batch, least)
		}
		switch {
		case models.TooLarge(err) && i > 0:
			leave(n, "out of memory")
			return m, nil
		case err != nil:
			return m, err
		case slow && i > 0:
			leave(n, fmt.Sprintf("its first calls took %.0f s", took.Seconds()))
			m.late = true
			return m, nil
		}
		m.points, m.rates = append(m.points, n), append(m.rates, rate)
		if i+1 < len(points) && (slow || s.now().Sub(start).Seconds() > share*s.budget.Seconds()) {
			leave(points[i+1], "measuring takes too long")
			m.late = true
			return m, nil
		}
	}
	return m, nil
}

// best returns the first point whose rate is good enough, and its rate.
func (m *measured) best() (point int, rate float64) {
	i := leastOf(m.rates)
	return m.points[i], m.rates[i]
}

// leastOf returns the index of the first rate that is good enough.
func leastOf(rates []float64) int {
	best := slices.Max(rates)
	return slices.IndexFunc(rates, func(r float64) bool { return r >= enough*best })
}

// describe returns what was measured, such as "batch 1: 17.2, 4: 18.1 images/s".
func (m *measured) describe(what string) string {
	text := what
	for i, r := range m.rates {
		if i > 0 {
			text += ","
		}
		text += fmt.Sprintf(" %d: %.4g", m.points[i], r)
	}
	text += " images/s"
	if m.left != "" {
		text += ", " + m.left
	}
	return text
}
