// Package simulate is a device that computes nothing: it takes the time that a
// real one would and derives its scores from the pixels. With it the rest of a
// worker, its store and its decoder can be tried against a GPU that nobody has
// rented yet. Whatever comes of it is marked as simulated.
package simulate

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/batchscore/batchscore/models"
)

// Prefix is how a provider that is simulated begins on the command line.
const Prefix = "simulate:"

// Spec is what the device is like.
type Spec struct {
	// Rate in images per second; +Inf takes no time.
	Rate float64
	// Jitter is the relative standard deviation of the time of a batch, from 0
	// up to and not including 1.
	Jitter float64
	// Load is how long the model takes to load.
	Load time.Duration
	// Batch is the device's default batch; 0 means 32.
	Batch int
	// Seed varies the jitter.
	Seed uint64
}

// Parse reads "rate=430,jitter=0.05,load=2s,batch=64,seed=1"; only the rate is
// required, and "rate=inf" takes no time. Errors wrap models.ErrProvider.
func Parse(text string) (Spec, error) {
	s := Spec{Batch: 32}
	for field := range strings.SplitSeq(text, ",") {
		key, value, _ := strings.Cut(field, "=")
		var err error
		switch key {
		case "rate":
			s.Rate, err = strconv.ParseFloat(value, 64)
			if err == nil && !(s.Rate > 0) {
				err = fmt.Errorf("%q is not above zero", value)
			}
		case "jitter":
			s.Jitter, err = strconv.ParseFloat(value, 64)
			if err == nil && !(s.Jitter >= 0 && s.Jitter < 1) {
				err = fmt.Errorf("%q is not from 0 to below 1", value)
			}
		case "load":
			s.Load, err = time.ParseDuration(value)
			if err == nil && s.Load < 0 {
				err = fmt.Errorf("%q is below zero", value)
			}
		case "batch":
			s.Batch, err = strconv.Atoi(value)
			if err == nil && s.Batch < 1 {
				err = fmt.Errorf("%q is below 1", value)
			}
		case "seed":
			s.Seed, err = strconv.ParseUint(value, 10, 64)
		default:
			err = fmt.Errorf("it takes rate, jitter, load, batch and seed")
		}
		if err != nil {
			return s, fmt.Errorf("%w: %s%s: %s: %w", models.ErrProvider, Prefix, text, key, err)
		}
	}
	if s.Rate == 0 {
		return s, fmt.Errorf("%w: %s%s: the rate is missing, such as %srate=430", models.ErrProvider, Prefix, text, Prefix)
	}
	return s, nil
}

// String is the device's name, such as "simulated:430/s".
func (s Spec) String() string {
	if math.IsInf(s.Rate, 1) {
		return "simulated:no-time"
	}
	return fmt.Sprintf("simulated:%g/s", s.Rate)
}
