package tune

import (
	"context"
	"errors"
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
}

const (
	// enough is the part of the best rate from which on a higher rate is not worth
	// more memory and more latency.
	enough = 0.98
	// share is the part of the budget that one point may take before larger
	// ones are left out.
	share = 0.25
)

// Sweep measures a device within about a budget of time: every batch size with the
// most sessions, then every number of sessions with the batch size chosen. It
// chooses the smallest of each that gives at least 0.98 of the best rate, so that a
// noisy machine does not lead to large batches. It leaves out what does not fit into
// the device's memory or would take too long.
func Sweep(ctx context.Context, e Engine, c models.Contract, from Candidates, budget time.Duration) (Choice, error) {
	d := NewDevice(e, c, slices.Max(from.Batches))
	d.Serial = from.Serial
	return sweep(ctx, d.Rate, from, budget)
}

// rater is Device.Rate.
type rater func(ctx context.Context, sessions, batch int, least time.Duration) (float64, int, error)

func sweep(ctx context.Context, rate rater, from Candidates, budget time.Duration) (Choice, error) {
	batches, sessions := from.Batches, from.Sessions
	// The first call of an engine takes memory and time that later ones do not.
	if _, _, err := rate(ctx, 1, batches[0], 0); err != nil {
		return Choice{}, err
	}
	least := budget / time.Duration(2*(len(batches)+len(sessions)))
	measure := func(points []int, at func(n int) (float64, error)) ([]float64, error) {
		var rates []float64
		for _, n := range points {
			start := time.Now()
			r, err := at(n)
			if errors.Is(err, models.ErrOutOfMemory) && len(rates) > 0 {
				break
			}
			if err != nil {
				return nil, err
			}
			rates = append(rates, r)
			if time.Since(start).Seconds() > share*budget.Seconds() {
				break
			}
		}
		return rates, nil
	}
	most := slices.Max(sessions)
	rates, err := measure(batches, func(n int) (float64, error) {
		r, _, err := rate(ctx, most, n, least)
		return r, err
	})
	if err != nil {
		return Choice{}, err
	}
	choice := Choice{Batch: batches[leastOf(rates)], Sessions: most, Rate: rates[leastOf(rates)]}
	choice.Why = describe("batch", batches, rates)
	if len(sessions) > 1 {
		rates, err := measure(sessions, func(n int) (float64, error) {
			r, _, err := rate(ctx, n, choice.Batch, least)
			return r, err
		})
		if err != nil {
			return Choice{}, err
		}
		i := leastOf(rates)
		choice.Sessions, choice.Rate = sessions[i], rates[i]
		choice.Why += "; " + describe("sessions", sessions, rates)
	}
	return choice, nil
}

// leastOf returns the index of the first rate that is good enough.
func leastOf(rates []float64) int {
	best := slices.Max(rates)
	return slices.IndexFunc(rates, func(r float64) bool { return r >= enough*best })
}

// describe returns what was measured, such as "batch 1: 17.2, 4: 18.1 images/s".
func describe(what string, points []int, rates []float64) string {
	text := what
	for i, r := range rates {
		if i > 0 {
			text += ","
		}
		text += fmt.Sprintf(" %d: %.4g", points[i], r)
	}
	return text + " images/s"
}
